{{/*
Values of NVIDIA's chart that have no counterpart here. Those that mean something are values of this chart, under the same names;
those that would be missed are refused (slicewise.refuseNvidias); the others do nothing, and the notes say so, and what to do instead.
*/}}

{{/* What to know of each value that does nothing, as YAML: a map from its path. */}}
{{- define "slicewise.idleValues" -}}
componentSelectorLabels: there is one DaemonSet, so there are no others to tell its pods from.
configManager: the agent reads the node's label itself; there is no init container and no sidecar.
gfd.enableHostNetwork: the agents make the labels, and their network is devicePlugin.enableHostNetwork.
gfd.nameOverride: the agents make the labels; there are no other pods to name.
gfd.namespaceOverride: the agents make the labels, in the namespace that namespaceOverride names.
gfd.resources: the agents make the labels, and theirs are resources.
gfd.securityContext: the agents make the labels, and need no rights on the node for it.
logVerbosity: how much is logged is logLevel; debug is the most.
mps: this version does not share GPUs through MPS. Time slices are sharing.timeSlicing in a config; parts of a GPU's memory are nvidia.com/gpu-memory.
nfd: Node Feature Discovery is not part of this chart. Nothing here needs it but gfd.output file and nodes labelled; it has a chart of its own.
{{- end }}

{{/* A line for each of these that is given. */}}
{{- define "slicewise.idleNotes" -}}
{{- range $path, $instead := include "slicewise.idleValues" . | fromYaml }}
{{- $value := $.Values | default dict }}
{{- range splitList "." $path }}
{{- if kindIs "map" $value }}
{{- $value = get $value . }}
{{- end }}
{{- end }}
{{- if not (has (toString $value) (list "" "<nil>" "map[]")) }}
    {{ $path }}: {{ $instead }}
{{- end }}
{{- end }}
{{- if .Values.failOnInitError }}
    failOnInitError: the agent never ends for the lack of a driver; it is not ready, says why, and serves when there is one.
{{- end }}
{{- end }}

{{- define "slicewise.refuseNvidias" -}}
{{- if .Values.namespace }}
{{- fail (printf "namespace is no value of this chart: install with --namespace %v, or set namespaceOverride." .Values.namespace) }}
{{- end }}
{{- if hasSuffix "k8s-device-plugin" (toString .Values.image.repository) }}
{{- fail (printf "image.repository is %v, which is NVIDIA's plugin and not this one: set it to where you have put the image of Slicewise, and leave image.tag empty unless you gave it another." .Values.image.repository) }}
{{- end }}
{{- if dig "enabled" false (.Values.nfd | default dict) }}
{{- fail "nfd.enabled: this chart does not install Node Feature Discovery: install it by its own chart and remove this value. Labels need it with gfd.output: file alone." }}
{{- end }}
{{- if and (dig "enabled" false (.Values.gfd | default dict)) (not .Values.devicePlugin.enabled) }}
{{- fail "gfd.enabled with devicePlugin.enabled: false: the labels are made by the agents, so there would be none: leave devicePlugin.enabled at true, or set gfd.enabled: false." }}
{{- end }}
{{- range $name, $text := (.Values.config | default dict).map }}
{{- $sharing := (fromYaml $text).sharing }}
{{- if and (kindIs "map" $sharing) $sharing.mps }}
{{- fail (printf "config.map has %s, which shares GPUs through MPS (sharing.mps); this version cannot: use sharing.timeSlicing, or nvidia.com/gpu-memory for parts of a GPU's memory." $name) }}
{{- end }}
{{- end }}
{{- end }}
