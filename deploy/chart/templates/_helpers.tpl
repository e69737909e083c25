{{/* The name of everything: the release's, with the chart's behind it unless it is in it already. At most 52 characters, so that
the names of the pod and of its revision, which Kubernetes makes of it, fit a label. */}}
{{- define "glassine.name" -}}
{{- if contains "glassine" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-glassine" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "glassine.selector" -}}
app.kubernetes.io/name: glassine
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "glassine.labels" -}}
{{ include "glassine.selector" . }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | replace "+" "_" | trunc 63 | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | quote }}
{{- end -}}

{{- define "glassine.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "glassine.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "glassine.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Values.image.variant .Values.image.tag) -}}
{{- end -}}

{{/* What values.schema.json cannot say. */}}
{{- define "glassine.check" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail (printf "replicas is %d: glassine is one process that owns its data directory, so it is 1, or 0 to stop it" (int .Values.replicas)) -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim (not .Values.persistence.enabled) -}}
{{- fail "persistence.existingClaim is set and persistence.enabled is false: the claim would not be used" -}}
{{- end -}}
{{- if and (not .Values.metrics.enabled) (or .Values.metrics.serviceMonitor.enabled .Values.networkPolicy.metricsFrom) -}}
{{- fail "metrics.serviceMonitor.enabled and networkPolicy.metricsFrom need metrics.enabled" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "metrics.serviceMonitor.enabled: say in networkPolicy.metricsFrom where Prometheus runs, or the network policy keeps it out" -}}
{{- end -}}
{{- if and .Values.networkPolicy.egress (not .Values.networkPolicy.restrictEgress) -}}
{{- fail "networkPolicy.egress has rules, and networkPolicy.restrictEgress is false: they would bound nothing" -}}
{{- end -}}
{{- if and (eq .Values.functions.isolation "strict") (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "functions.isolation is strict, which takes Kubernetes 1.33 (hostUsers and procMount); this is %s" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- range $i, $r := .Values.remotes -}}
{{- $key := and (get $r "accessKeyId") (get $r "secretAccessKey") -}}
{{- if and (get $r "existingSecret") (or (get $r "accessKeyId") (get $r "secretAccessKey")) -}}
{{- fail (printf "remotes[%d] (%s) has existingSecret and a key: it is one or the other" $i $r.name) -}}
{{- else if not (or (get $r "existingSecret") $key) -}}
{{- fail (printf "remotes[%d] (%s) has no key: give existingSecret, or accessKeyId and secretAccessKey" $i $r.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The file of settings. The listeners and the data directory are variables of the pod. */}}
{{- define "glassine.config" -}}
{{- $own := dict "drain" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- if not .Values.service.http3 }}{{ $_ := set $own "no-http3" true }}{{ end -}}
{{- if eq .Values.functions.isolation "strict" }}{{ $_ := set $own "isolation" "strict" }}{{ end -}}
{{- if .Values.certificates.existingSecret }}{{ $_ := set $own "cert-dir" "/etc/glassine/certificates" }}{{ end -}}
{{- $remotes := list -}}
{{- range .Values.remotes -}}
{{- $options := list (printf "credentials=/etc/glassine/keys/%s/credentials" .name) -}}
{{- with get . "region" }}{{ $options = append $options (printf "region=%s" (urlquery .)) }}{{ end -}}
{{- with get . "style" }}{{ $options = append $options (printf "style=%s" .) }}{{ end -}}
{{- $remotes = append $remotes (printf "%s=%s?%s" .name .url (join "&" $options)) -}}
{{- end -}}
{{- if $remotes }}{{ $_ := set $own "remote" $remotes }}{{ end -}}
{{- toYaml (merge $own (deepCopy .Values.config)) -}}
{{- end -}}
