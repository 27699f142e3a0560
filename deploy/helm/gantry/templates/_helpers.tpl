{{- define "gantry.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "gantry.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gantry.labels" -}}
{{ include "gantry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Probes and service ask at the addresses that the chart gives: other ones would make a pod that is never ready. */ -}}
{{- define "gantry.addresses" -}}
{{- range .Values.env }}
{{- if has .name (list "REGISTRY_HTTP_ADDR" "REGISTRY_HTTP_DEBUG_ADDR") }}
{{- fail (printf "env: %s is the chart's to set; service.port is the port that clients use" .name) }}
{{- end }}
{{- end }}
{{- range $key, $value := dict "http.addr" (dig "http" "addr" "" .Values.config) "http.debug.addr" (dig "http" "debug" "addr" "" .Values.config) }}
{{- if $value }}
{{- fail (printf "config: %s is the chart's to set; service.port is the port that clients use" $key) }}
{{- end }}
{{- end }}
{{- end }}
