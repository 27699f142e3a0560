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

{{- /* "true" if the store is a bucket. */ -}}
{{- define "gantry.bucket" -}}
{{- $found := dig "storage" "s3" "bucket" "" .Values.config }}
{{- range .Values.env }}
{{- if eq .name "REGISTRY_STORAGE_S3_BUCKET" }}{{ $found = .name }}{{ end }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{- /* "true" if the nodes share an engine. */ -}}
{{- define "gantry.engine" -}}
{{- $found := dig "redis" "addrs" "" .Values.config }}
{{- range .Values.env }}
{{- if hasPrefix "REGISTRY_REDIS_ADDRS" .name }}{{ $found = .name }}{{ end }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{- /* The server would refuse these too, but only when a second pod starts. */ -}}
{{- define "gantry.nodes" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not (include "gantry.bucket" .) }}
{{- fail (printf "replicas: %d nodes need a store that they share: set config.storage.s3, or replicas to 1" (int .Values.replicas)) }}
{{- end }}
{{- if not (include "gantry.engine" .) }}
{{- fail (printf "replicas: %d nodes need an engine that they share, Valkey or Redis: set config.redis.addrs, or replicas to 1" (int .Values.replicas)) }}
{{- end }}
{{- end }}
{{- end }}
