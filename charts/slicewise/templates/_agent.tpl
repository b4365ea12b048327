{{/* The container of the agent: what it is told, where it looks, what it may. */}}

{{/* Values that are left at null say nothing, so that the config file, or the agent's default, counts. */}}
{{- define "slicewise.env" -}}
{{- $extra := include "slicewise.extraEnv" . | fromYamlArray }}
{{- $given := list }}
{{- range $extra }}
{{- $given = append $given .name }}
{{- end }}
{{- if not (has "NODE_NAME" $given) }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- end }}
{{- $memory := .Values.memory | default dict }}
{{- $cdi := .Values.cdi | default dict }}
{{- $gfd := .Values.gfd | default dict }}
{{- $health := .Values.health | default dict }}
{{- $usesCluster := eq (include "slicewise.usesCluster" .) "yes" }}
{{- $texts := dict
  "MIG_STRATEGY" .Values.migStrategy
  "FAIL_ON_INIT_ERROR" .Values.failOnInitError
  "DEVICE_LIST_STRATEGY" .Values.deviceListStrategy
  "DEVICE_ID_STRATEGY" .Values.deviceIDStrategy
  "NVIDIA_DRIVER_ROOT" .Values.nvidiaDriverRoot
  "NVIDIA_DEV_ROOT" .Values.nvidiaDevRoot
  "GDRCOPY_ENABLED" .Values.gdrcopyEnabled
  "GDS_ENABLED" .Values.gdsEnabled
  "MOFED_ENABLED" .Values.mofedEnabled
  "DEVICE_DISCOVERY_STRATEGY" .Values.deviceDiscoveryStrategy
  "PASS_DEVICE_SPECS" .Values.compatWithCPUManager
  "NVIDIA_CDI_HOOK_PATH" $cdi.nvidiaHookPath
  "CDI_FEATURE_FLAGS" $cdi.featureFlags
  "SLICEWISE_MEMORY_ENABLED" $memory.enabled
  "SLICEWISE_MEMORY_UNIT" $memory.unit
  "SLICEWISE_MEMORY_MAX_PER_CONTAINER" $memory.maxPerContainer
  "SLICEWISE_MEMORY_RESERVED_PER_GPU" $memory.reservedPerGpu
  "SLICEWISE_LABELS_OUTPUT" (include "slicewise.labelsTo" .)
  "GFD_NO_TIMESTAMP" (ternary $gfd.noTimestamp "" (dig "enabled" false $gfd))
  "GFD_SLEEP_INTERVAL" (ternary $gfd.sleepInterval "" (dig "enabled" false $gfd))
  "SLICEWISE_CLUSTER_ENABLED" (ternary true "" $usesCluster)
  "SLICEWISE_HEALTH_CONDITION" (ternary (default false $health.condition) "" $usesCluster)
  "SLICEWISE_HEALTH_EVENTS" (ternary (default false $health.events) "" $usesCluster)
  "SLICEWISE_HEALTH_TAINT" (ternary (default false $health.taint) "" $usesCluster)
  "SLICEWISE_HEALTH_ACK_ANNOTATION" (ternary (default false $health.ackAnnotation) "" $usesCluster)
  "SLICEWISE_CLUSTER_FAST_STATUS" (ternary true "" (dig "fastStatus" false (.Values.cluster | default dict)))
  "SLICEWISE_HTTP_ADDRESS" (printf ":%v" (default 9400 .Values.httpPort | int))
  "SLICEWISE_LOG_LEVEL" .Values.logLevel
  "NVIDIA_DRIVER_CAPABILITIES" .Values.nvidiaDriverCapabilities
  "NVIDIA_VISIBLE_DEVICES" (ternary "void" "" (eq .Values.driverAccess "privileged"))
}}
{{- range $name, $value := $texts }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "") (has $name $given)) }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- $config := .Values.config | default dict }}
{{- if include "slicewise.configMap" . }}
{{- if $config.nodeLabel }}
- name: CONFIG_FILE_SRCDIR
  value: /configs
- name: NODE_LABEL
  value: {{ $config.nodeLabel | quote }}
{{- with $config.default }}
- name: DEFAULT_CONFIG
  value: {{ . | quote }}
{{- end }}
{{- with $config.fallbackStrategies }}
- name: FALLBACK_STRATEGIES
  value: {{ join "," . | quote }}
{{- end }}
{{- else }}
- name: CONFIG_FILE
  value: {{ printf "/configs/%s" (default "default" $config.default) | quote }}
{{- end }}
{{- end }}
{{- with $extra }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the values add, each name once: the API server refuses a list with a name in it twice. */}}
{{- define "slicewise.extraEnv" -}}
{{- $extra := .Values.extraEnv | default list }}
{{- $names := list }}
{{- range $extra }}
{{- $names = append $names .name }}
{{- end }}
{{- with .Values.devicePlugin.containers }}
{{- range (.main | default dict).env }}
{{- if not (has .name $names) }}
{{- $extra = append $extra . }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $extra }}
{{- end }}

{{/* The same paths as on the host, because containers are told of files by the host's paths. */}}
{{- define "slicewise.volumes" -}}
{{- $kubelet := default "/var/lib/kubelet" .Values.kubeletRoot }}
- name: device-plugins
  hostPath:
    path: {{ $kubelet }}/device-plugins
    type: Directory
- name: pod-resources
  hostPath:
    path: {{ $kubelet }}/pod-resources
    type: DirectoryOrCreate
- name: state
  hostPath:
    path: {{ default "/var/lib/slicewise" .Values.stateDir }}
    type: DirectoryOrCreate
{{- if include "slicewise.configMap" . }}
- name: configs
  configMap:
    name: {{ include "slicewise.configMap" . }}
{{- end }}
{{- if include "slicewise.writesCdi" . }}
- name: cdi
  hostPath:
    path: /var/run/cdi
    type: DirectoryOrCreate
{{- end }}
{{- if include "slicewise.driverRoot" . }}
- name: driver-root
  hostPath:
    path: {{ include "slicewise.driverRoot" . }}
    type: Directory
{{- end }}
{{- if eq (include "slicewise.labelsTo" .) "file" }}
- name: features
  hostPath:
    path: /etc/kubernetes/node-feature-discovery/features.d
    type: DirectoryOrCreate
{{- end }}
{{- if eq .Values.driverAccess "volume-mounts" }}
- name: all-gpus
  hostPath:
    path: /dev/null
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "slicewise.volumeMounts" -}}
- name: device-plugins
  mountPath: /var/lib/kubelet/device-plugins
- name: pod-resources
  mountPath: /var/lib/kubelet/pod-resources
  readOnly: true
- name: state
  mountPath: /var/lib/slicewise
{{- if include "slicewise.configMap" . }}
- name: configs
  mountPath: /configs
  readOnly: true
{{- end }}
{{- if include "slicewise.writesCdi" . }}
- name: cdi
  mountPath: /var/run/cdi
{{- end }}
{{- if include "slicewise.driverRoot" . }}
- name: driver-root
  mountPath: /driver-root
  readOnly: true
  mountPropagation: HostToContainer
{{- end }}
{{- if eq (include "slicewise.labelsTo" .) "file" }}
- name: features
  mountPath: /etc/kubernetes/node-feature-discovery/features.d
{{- end }}
{{- if eq .Values.driverAccess "volume-mounts" }}
- name: all-gpus
  mountPath: /var/run/nvidia-container-devices/all
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Not empty when CDI specs may be written: as the value says, or, without it, as a config may say that this chart does not see. */}}
{{- define "slicewise.writesCdi" -}}
{{- $config := .Values.config | default dict -}}
{{- if .Values.deviceListStrategy }}
{{- if contains "cdi-" .Values.deviceListStrategy }}yes{{ end }}
{{- else if or $config.name (contains "cdi-" (toYaml $config.map)) }}yes{{ end }}
{{- end }}

{{/* The host's folder to find the driver in; empty when it need not be mounted. */}}
{{- define "slicewise.driverRoot" -}}
{{- if .Values.nvidiaDriverRoot }}{{ .Values.nvidiaDriverRoot }}
{{- else if or (include "slicewise.writesCdi" .) (eq .Values.driverAccess "privileged") }}/{{ end }}
{{- end }}

{{- define "slicewise.securityContext" -}}
{{- if .Values.securityContext }}
{{- toYaml .Values.securityContext }}
{{- else if eq .Values.driverAccess "privileged" -}}
privileged: true
runAsUser: 0
readOnlyRootFilesystem: true
{{- else -}}
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- if and .Values.seLinuxType (not .Values.securityContext) }}
seLinuxOptions:
  type: {{ .Values.seLinuxType }}
{{- end }}
{{- if and .Values.appArmorProfile (not .Values.securityContext) }}
appArmorProfile:
  {{- toYaml .Values.appArmorProfile | nindent 2 }}
{{- end }}
{{- end }}
