{{/*
Gives values that are missing altogether, as after `helm upgrade --reuse-values` from an older chart, what the other templates count on: each group is
there, and what is on by default is on. What else is new stays empty.
*/}}
{{- define "slicewise.fill" -}}
{{- $groups := dict
  "image" dict
  "config" dict
  "gfd" dict
  "cluster" dict
  "health" dict
  "serviceAccount" (dict "create" true)
  "cdi" dict
  "memory" (dict "enabled" true "unit" "1Gi")
  "devicePlugin" (dict "enabled" true)
  "podMonitor" dict
  "serviceMonitor" dict
  "networkPolicy" dict
  "policies" dict
  "test" dict
}}
{{- range $name, $needed := $groups }}
{{- $group := index $.Values $name | default dict }}
{{- range $key, $value := $needed }}
{{- if kindIs "invalid" (index $group $key) }}
{{- $_ := set $group $key $value }}
{{- end }}
{{- end }}
{{- $_ := set $.Values $name $group }}
{{- end }}
{{- range $name, $value := dict "driverAccess" "runtime" "nodes" "all" "httpPort" 9400 }}
{{- if kindIs "invalid" (index $.Values $name) }}
{{- $_ := set $.Values $name $value }}
{{- end }}
{{- end }}
{{- end }}
