{{- define "x0tta.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The release's name, with the chart's where it does not hold that; suffixes fit in 63. */}}
{{- define "x0tta.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "x0tta.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "x0tta.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end }}

{{/* Names of objects that belong to no namespace: two releases must not share them. */}}
{{- define "x0tta.clusterName" -}}
{{- if eq (include "x0tta.namespace" .) (printf "%s-system" (include "x0tta.fullname" .)) -}}
{{- include "x0tta.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" (include "x0tta.namespace" .) (include "x0tta.fullname" .) -}}
{{- end -}}
{{- end }}

{{- define "x0tta.selectorLabels" -}}
app.kubernetes.io/name: {{ include "x0tta.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The chart's own win over those of the values, since objects are selected by them. */}}
{{- define "x0tta.labels" -}}
{{- $own := include "x0tta.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end }}

{{- define "x0tta.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "x0tta.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false: set serviceAccount.name to the account that is there" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "x0tta.priorityClassName" -}}
{{- if .Values.priorityClass.create -}}
{{- .Values.priorityClass.name | default (include "x0tta.clusterName" .) -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end }}

{{- define "x0tta.image" -}}
{{- $repository := .Values.image.repository -}}
{{- if .Values.image.registry -}}
{{- $repository = printf "%s/%s" .Values.image.registry .Values.image.repository -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The operator's configuration file. What it would refuse is refused here, before a Pod fails. */}}
{{- define "x0tta.configuration" -}}
{{- $servers := list -}}
{{- if .Values.prometheus.url -}}
{{- $servers = append $servers .Values.prometheus -}}
{{- end -}}
{{- $servers = concat $servers .Values.servers -}}
{{- $names := list -}}
{{- range $servers -}}
{{- if has .name $names -}}
{{- fail (printf "two metric servers have the name %s; give each its own" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if and .Values.defaultServer (not (has .Values.defaultServer $names)) -}}
{{- fail (printf "defaultServer is %s, and the metric servers are: %s" .Values.defaultServer (join ", " $names)) -}}
{{- end -}}
{{- if and (gt (len $names) 1) (not .Values.defaultServer) -}}
{{- fail (printf "several metric servers need defaultServer, one of: %s" (join ", " $names)) -}}
{{- end -}}
{{- if $servers }}
servers:
  {{- toYaml $servers | nindent 2 }}
{{- else }}
# No metric server yet: set the chart's value prometheus.url, or with kustomize list servers here.
servers: []
{{- end }}
{{- with .Values.defaultServer }}
defaultServer: {{ . | quote }}
{{- end }}
{{- with .Values.pollInterval }}
pollInterval: {{ . | quote }}
{{- end }}
{{- with .Values.watchNamespaces }}
namespaces:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
