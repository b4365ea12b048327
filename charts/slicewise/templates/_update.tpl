{{/*
How agents are replaced. Kubernetes wants one of the two figures to be 0 and the other not, so one that is not said follows from the one that is. With the
host's network a second agent has no port on the node, so the first has to leave before it comes.
*/}}
{{- define "slicewise.updateStrategy" -}}
{{- $said := .Values.updateStrategy | default dict }}
{{- $type := default "RollingUpdate" $said.type -}}
type: {{ $type }}
{{- if eq $type "RollingUpdate" }}
{{- $figures := $said.rollingUpdate | default dict }}
{{- $surge := $figures.maxSurge }}
{{- $unavailable := $figures.maxUnavailable }}
{{- if and (kindIs "invalid" $surge) (kindIs "invalid" $unavailable) }}
{{- $surge = ternary 0 1 (eq (toString .Values.devicePlugin.enableHostNetwork) "true") }}
{{- end }}
{{- if kindIs "invalid" $surge }}
{{- $surge = ternary 1 0 (eq (include "slicewise.isNone" $unavailable) "yes") }}
{{- else if kindIs "invalid" $unavailable }}
{{- $unavailable = ternary 1 0 (eq (include "slicewise.isNone" $surge) "yes") }}
{{- end }}
rollingUpdate:
  maxSurge: {{ toJson $surge }}
  maxUnavailable: {{ toJson $unavailable }}
{{- end }}
{{- end }}

{{/* `yes` for a figure that is no agent. */}}
{{- define "slicewise.isNone" -}}
{{- if has (toString .) (list "0" "0%") }}yes{{ end }}
{{- end }}

{{- define "slicewise.refuseUpdates" -}}
{{- $strategy := include "slicewise.updateStrategy" . | fromYaml }}
{{- with $strategy.rollingUpdate }}
{{- $noSurge := include "slicewise.isNone" .maxSurge }}
{{- $noneAway := include "slicewise.isNone" .maxUnavailable }}
{{- if and $noSurge $noneAway }}
{{- fail "updateStrategy: with maxSurge 0 and maxUnavailable 0 no agent can ever be replaced: set one of them to 1." }}
{{- end }}
{{- if not (or $noSurge $noneAway) }}
{{- fail (printf "updateStrategy: Kubernetes takes maxSurge or maxUnavailable for a DaemonSet, and not both (%v and %v): set one of them to 0." .maxSurge .maxUnavailable) }}
{{- end }}
{{- if and $.Values.devicePlugin.enableHostNetwork (not $noSurge) }}
{{- fail (printf "updateStrategy: with devicePlugin.enableHostNetwork a node's port %v is the old agent's, and a new one that comes before it leaves is never scheduled: set maxSurge to 0 and maxUnavailable to 1, or leave out both." $.Values.httpPort) }}
{{- end }}
{{- end }}
{{- end }}
