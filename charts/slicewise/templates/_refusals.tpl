{{/* Values that contradict each other. The schema has refused what is wrong by itself. */}}
{{- define "slicewise.refuse" -}}
{{- if and (eq (include "slicewise.namespace" .) "default") (not .Values.allowDefaultNamespace) }}
{{- fail "The namespace 'default' is for trying things out: install into a namespace of its own (--namespace slicewise --create-namespace), or set allowDefaultNamespace: true." }}
{{- end }}
{{- with .Values.updateStrategy }}
{{- if and (eq (toString .type) "RollingUpdate") (eq (toString (dig "rollingUpdate" "maxSurge" 0 .)) "0") (eq (toString (dig "rollingUpdate" "maxUnavailable" 1 .)) "0") }}
{{- fail "updateStrategy: with maxSurge 0 and maxUnavailable 0 no agent can ever be replaced: set one of them to 1." }}
{{- end }}
{{- end }}
{{- if and .Values.policies.bytes (not .Values.memory.enabled) }}
{{- fail "policies.bytes gives nvidia.com/gpu-memory a meaning in bytes, and memory.enabled is false: set it to true, or leave policies.bytes at false." }}
{{- end }}
{{- if and .Values.policies.enabled .Values.memory.enabled (not (has (toString .Values.memory.unit) (list "1Gi" "1024Mi"))) }}
{{- fail (printf "memory.unit is %v, and the policies count in units of 1Gi: leave it at 1Gi, or set policies.enabled: false." .Values.memory.unit) }}
{{- end }}
{{- end }}
