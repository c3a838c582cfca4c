module x0tta.io/tools/pause

go 1.25.0
