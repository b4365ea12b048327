{{/* Names and labels, and what the values say about the API server. */}}

{{- define "slicewise.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "slicewise.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "slicewise.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "slicewise.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "slicewise.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "slicewise.selectorLabels" -}}
{{- if .Values.selectorLabelsOverride }}
{{- toYaml .Values.selectorLabelsOverride }}
{{- else -}}
app.kubernetes.io/name: {{ include "slicewise.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end }}

{{- define "slicewise.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "slicewise.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "slicewise.image" -}}
{{- $image := .Values.image | default dict -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{- printf "%s:%s" (default "slicewise" $image.repository) $tag }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The ConfigMap with the configs; empty without one. */}}
{{- define "slicewise.configMap" -}}
{{- $config := .Values.config | default dict -}}
{{- if $config.name }}{{ $config.name }}
{{- else if $config.map }}{{ include "slicewise.fullname" . }}-configs{{ end }}
{{- end }}

{{/* Not empty when the agent talks to the API server. */}}
{{- define "slicewise.usesApi" -}}
{{- if or (include "slicewise.readsLabel" .) (include "slicewise.usesCluster" .) }}yes{{ end }}
{{- end }}

{{/* Not empty when the agent does anything at the API server that a config has cluster.enabled for. */}}
{{- define "slicewise.usesCluster" -}}
{{- $health := .Values.health | default dict -}}
{{- if or (include "slicewise.writesNode" .) $health.events $health.ackAnnotation }}yes{{ end }}
{{- end }}

{{/* Not empty when the agent changes its node at the API server. */}}
{{- define "slicewise.writesNode" -}}
{{- $health := .Values.health | default dict -}}
{{- if or (dig "fastStatus" false (.Values.cluster | default dict)) (eq (include "slicewise.labelsTo" .) "api") $health.condition $health.taint }}yes{{ end }}
{{- end }}

{{/* Where the node's labels go: `api`, `file`, or empty. */}}
{{- define "slicewise.labelsTo" -}}
{{- $gfd := .Values.gfd | default dict -}}
{{- if $gfd.enabled }}{{ default "api" $gfd.output }}{{ end }}
{{- end }}

{{/* Not empty when a label of the node picks the config. */}}
{{- define "slicewise.readsLabel" -}}
{{- if and (include "slicewise.configMap" .) .Values.config.nodeLabel }}yes{{ end }}
{{- end }}

{{- define "slicewise.serviceAccount" -}}
{{- default (include "slicewise.fullname" .) (dig "name" "" (.Values.serviceAccount | default dict)) }}
{{- end }}
