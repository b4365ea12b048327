{{/* Values that contradict each other. The schema has refused what is wrong by itself. */}}
{{- define "slicewise.refuse" -}}
{{- include "slicewise.refuseNvidias" . }}
{{- if and (eq (include "slicewise.namespace" .) "default") (not .Values.allowDefaultNamespace) }}
{{- fail "The namespace 'default' is for trying things out: install into a namespace of its own (--namespace slicewise --create-namespace), or set allowDefaultNamespace: true." }}
{{- end }}
{{- include "slicewise.refuseUpdates" . }}
{{- if and (include "slicewise.usesApi" .) (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create is false, and the values need an account for the API server: name one that is there and has the rights as serviceAccount.name, or set create: true." }}
{{- end }}
{{- if and .Values.appArmorProfile (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "appArmorProfile needs Kubernetes 1.30, and this cluster has %s, which would ignore it: leave it empty, and give podAnnotations container.apparmor.security.beta.kubernetes.io/agent, which older versions heed." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- include "slicewise.refuseMemory" . }}
{{- if and (dig "enabled" false (.Values.podMonitor | default dict)) (dig "enabled" false (.Values.serviceMonitor | default dict)) }}
{{- fail "podMonitor.enabled and serviceMonitor.enabled: with both, every agent is scraped twice and every figure is there twice: leave one of them at false." }}
{{- end }}
{{- $config := .Values.config | default dict }}
{{- if and $config.name $config.map }}
{{- fail "config.name and config.map both say where the configs are: leave one of them empty." }}
{{- end }}
{{- if and $config.default (not $config.name) (not $config.map) }}
{{- fail (printf "config.default is %q, and there are no configs: give them as config.map, or the name of their ConfigMap as config.name." $config.default) }}
{{- end }}
{{- if $config.map }}
{{- $names := keys $config.map | sortAlpha }}
{{- if and $config.default (not (has $config.default $names)) }}
{{- fail (printf "config.default is %q, and config.map has %s: name one of these." $config.default (join ", " $names)) }}
{{- end }}
{{- $fallbacks := $config.fallbackStrategies | default list }}
{{- $isFound := or $config.default (has "empty" $fallbacks) (and (has "named" $fallbacks) (has "default" $names)) (and (has "single" $fallbacks) (eq (len $names) 1)) }}
{{- if not $isFound }}
{{- fail (printf "nodes without the label %s would have no config: set config.default to one of %s, or add empty to config.fallbackStrategies." (default "of a config" $config.nodeLabel) (join ", " $names)) }}
{{- end }}
{{- if and (not $config.nodeLabel) (not (has (default "default" $config.default) $names)) }}
{{- fail (printf "config.nodeLabel is empty, so all nodes have one config: set config.default to one of %s." (join ", " $names)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "slicewise.refuseMemory" -}}
{{- $memory := .Values.memory }}
{{- if and .Values.policies.bytes (not $memory.enabled) }}
{{- fail "policies.bytes gives nvidia.com/gpu-memory a meaning in bytes, and memory.enabled is false: set it to true, or leave policies.bytes at false." }}
{{- end }}
{{- if and .Values.policies.enabled $memory.enabled (not (has (toString $memory.unit) (list "1Gi" "1024Mi"))) }}
{{- fail (printf "memory.unit is %v, and the policies count in units of 1Gi: leave it at 1Gi, or set policies.enabled: false." $memory.unit) }}
{{- end }}
{{- if and $memory.enabled $memory.maxPerContainer (lt (include "slicewise.mebibytes" $memory.maxPerContainer | int64) (include "slicewise.mebibytes" $memory.unit | int64)) }}
{{- fail (printf "memory.maxPerContainer is %s, less than one unit of %s (memory.unit), so no container could have any: set it to a unit or more, or leave it empty." $memory.maxPerContainer $memory.unit) }}
{{- end }}
{{- end }}

{{/* An amount as the schema takes it, `14Gi` or `512Mi`, as a number of MiB. */}}
{{- define "slicewise.mebibytes" -}}
{{- $number := . | toString | trimSuffix "Gi" | trimSuffix "Mi" | int64 }}
{{- hasSuffix "Gi" (toString .) | ternary (mul $number 1024) $number }}
{{- end }}
