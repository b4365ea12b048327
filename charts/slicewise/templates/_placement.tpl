{{/* Which nodes a pod may run on, and what its image is pulled with: the agents, and the test. */}}
{{- define "slicewise.placement" -}}
nodeSelector:
  kubernetes.io/os: linux
  {{- with .Values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if .Values.affinity }}
affinity:
  {{- toYaml .Values.affinity | nindent 2 }}
{{- else if eq .Values.nodes "labelled" }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - { key: feature.node.kubernetes.io/pci-10de.present, operator: In, values: ['true'] }
        - matchExpressions:
            - { key: feature.node.kubernetes.io/cpu-model.vendor_id, operator: In, values: [NVIDIA] }
        - matchExpressions:
            - { key: nvidia.com/gpu.present, operator: In, values: ['true'] }
{{- end }}
{{- $tolerations := .Values.tolerations | default list }}
{{- if (.Values.health | default dict).taint }}
{{- /* Its own taint must not keep a new agent from a node that only an agent can free of it. */}}
{{- $tolerations = append $tolerations (dict "key" "slicewise.io/gpu-unhealthy" "operator" "Exists" "effect" "NoSchedule") }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
