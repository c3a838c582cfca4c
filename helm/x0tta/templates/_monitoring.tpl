{{/*
Whether an object of the Prometheus Operator is rendered: "true" or nothing. Takes root (the top
context), value (its name in values.yaml) and kind.
*/}}
{{- define "x0tta.rendersMonitoring" -}}
{{- $values := index .root.Values .value -}}
{{- $api := printf "monitoring.coreos.com/v1/%s" .kind -}}
{{- if $values.enabled -}}
{{- if or (eq $values.renderMode "alwaysRender") (.root.Capabilities.APIVersions.Has $api) -}}
true
{{- else if eq $values.renderMode "failIfMissing" -}}
{{- fail (printf "%s.enabled is true, but %s is not served. Install the CRDs of the Prometheus Operator first. Or set %s.renderMode: skipIfMissing leaves it out until an upgrade finds them, alwaysRender does not ask, as for helm template." .value $api .value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
