{{/* Name, labels and annotations of what `helm test` makes; not the labels that the DaemonSet finds its own pods by. */}}
{{- define "slicewise.testName" -}}
{{ include "slicewise.fullname" . | trunc 58 | trimSuffix "-" }}-test
{{- end }}

{{- define "slicewise.testLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "slicewise.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Rights are there while the test runs, and no longer. */}}
{{- define "slicewise.testRight" -}}
labels:
  {{- include "slicewise.testLabels" . | nindent 2 }}
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: '-1'
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end }}

{{/* How the agents' pods are found, as the API server wants to be asked. */}}
{{- define "slicewise.selector" -}}
{{- $pairs := list }}
{{- range $label, $value := include "slicewise.selectorLabels" . | fromYaml }}
{{- $pairs = append $pairs (printf "%s=%s" $label $value) }}
{{- end }}
{{- join "," $pairs }}
{{- end }}
