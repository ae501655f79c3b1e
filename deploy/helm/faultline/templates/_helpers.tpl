{{/* Names, labels, and the parts that every workload shares. */}}

{{- define "faultline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "faultline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "faultline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "faultline.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "faultline.selector" -}}
app.kubernetes.io/name: {{ include "faultline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "faultline.labels" -}}
{{ include "faultline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: faultline
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "faultline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "faultline.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "faultline.tokenSecret" -}}
{{- default (printf "%s-tokens" (include "faultline.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "faultline.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/*
The workloads of the installation, as {"list": [...]}. `once`: one process is at work and others, if there are
any (`roleReplicas`), stand by: so a new one may be started before the old one ends.
*/}}
{{- define "faultline.workloads" -}}
{{- if eq .Values.mode "single" }}
list:
  - {name: all, roles: [intake, observe, detect, correlate, deliver, console{{ if .Values.history.enabled }}, history{{ end }}], once: true, disk: true}
{{- else }}
list:
  - {name: intake, roles: [intake], once: false, disk: false}
  - {name: observe, roles: [observe], once: true, disk: true}
  - {name: detect, roles: [detect], once: true, disk: true}
  - {name: correlate, roles: [correlate], once: true, disk: true}
  - {name: deliver, roles: [deliver], once: true, disk: false}
  - {name: console, roles: [console], once: false, disk: false}
  {{- if .Values.history.enabled }}
  - {name: history, roles: [history], once: true, disk: true}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The configuration file: what the chart knows, and `config` over it. */}}
{{- define "faultline.config" -}}
{{- $name := include "faultline.fullname" . -}}
{{- $space := .Release.Namespace -}}
{{- $hosts := list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.cluster.local" $name $space) -}}
{{- range .Values.ingress.hosts -}}{{- $hosts = append $hosts .host -}}{{- end -}}
{{- $log := dict "kind" "kafka" "brokers" (required "kafka.bootstrapServers is required: host:port of your brokers" .Values.kafka.bootstrapServers) "create_topics" .Values.kafka.createTopics -}}
{{- with .Values.kafka.properties -}}{{- $_ := set $log "properties" . -}}{{- end -}}
{{- if .Values.kafka.secretProperties -}}
{{- $secret := dict -}}
{{- range $property, $key := .Values.kafka.secretProperties -}}
{{- $_ := set $secret $property (dict "file" (printf "/etc/faultline/secrets/kafka/%s" $key)) -}}
{{- end -}}
{{- $_ := set $log "secret_properties" $secret -}}
{{- end -}}
{{- $config := dict
  "log" $log
  "data_dir" "/var/lib/faultline"
  "http" (dict "listen" "0.0.0.0:7070" "token" (dict "file" "/etc/faultline/secrets/tokens/http-token") "host_names" $hosts)
  "intake" (dict "listen" "0.0.0.0:4318" "token" (dict "file" "/etc/faultline/secrets/tokens/intake-token"))
-}}
{{- if .Values.history.enabled -}}
{{- $history := dict "directory" "/var/lib/faultline/history" "retention_days" (int .Values.history.retentionDays) -}}
{{- if .Values.history.postgres.enabled -}}
{{- $_ := set $history "pg" (dict
  "listen" "0.0.0.0:5433"
  "password" (dict "file" "/etc/faultline/secrets/tokens/history-password")
  "tls" (dict "certificate" "/etc/faultline/secrets/history-tls/tls.crt" "key" "/etc/faultline/secrets/history-tls/tls.key")
) -}}
{{- end -}}
{{- $_ := set $config "history" $history -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end -}}

{{/*
The sinks whose hook makes them ask their destination, as {"list": [...]}: that is done by the process of
`deliver`. Every other hook holds acts, which the console takes. `faultline sinks list --json` says the same
(`hook_role`), and a test holds the two against each other.
*/}}
{{- define "faultline.ringing" -}}
{{- $ringing := list -}}
{{- range $sink := .Values.config.sinks -}}
{{- range $kind, $settings := $sink -}}
{{- $every := ternary $settings.listen_every_s 30 (hasKey $settings "listen_every_s") -}}
{{- $asks := has $kind (list "rt" "jira") -}}
{{- if eq $kind "servicenow" -}}
{{- $asks = or $settings.account (dig "auth" "basic" false $settings) -}}
{{- else if has $kind (list "pagerduty" "jsm_ops") -}}
{{- $asks = $settings.rest_api -}}
{{- end -}}
{{- if and $settings.hook $asks (or (eq $kind "jira") (ne (int $every) 0)) -}}
{{- $ringing = append $ringing $settings.name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "list" $ringing) -}}
{{- end -}}

{{/* What is wrong with the values, said before anything is made. */}}
{{- define "faultline.refuse" -}}
{{- if and .Values.kafka.secretProperties (not .Values.kafka.existingSecret) -}}
{{- fail "kafka.secretProperties name keys of a Secret: set kafka.existingSecret" -}}
{{- end -}}
{{- if and .Values.strimzi.topics.enabled (not .Values.strimzi.topics.cluster) -}}
{{- fail "strimzi.topics.cluster is required: the name of your Kafka resource" -}}
{{- end -}}
{{- if and .Values.strimzi.topics.enabled .Values.kafka.createTopics -}}
{{- fail "strimzi.topics.enabled makes the topics: set kafka.createTopics to false, else both do" -}}
{{- end -}}
{{- if and .Values.history.postgres.enabled (not .Values.history.enabled) -}}
{{- fail "history.postgres.enabled serves the history: set history.enabled" -}}
{{- end -}}
{{- if and .Values.history.postgres.enabled (not .Values.history.postgres.tlsSecret) -}}
{{- fail "history.postgres.tlsSecret is required: beyond one machine SQL is spoken over TLS only" -}}
{{- end -}}
{{- if and .Values.keda.enabled (ne .Values.mode "split") -}}
{{- fail "keda.enabled needs mode: split; a single process must not be scaled" -}}
{{- end -}}
{{- end -}}

{{/* The pod of a workload. Argument: {"root": ., "work": one of faultline.workloads}. */}}
{{- define "faultline.pod" -}}
{{- $root := .root -}}
{{- $work := .work -}}
{{- with $root.Values -}}
metadata:
  annotations:
    # A changed configuration is a new pod: it is read at the start.
    checksum/config: {{ include "faultline.config" $root | sha256sum }}
    {{- with .podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "faultline.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $work.name }}
    {{- range $work.roles }}
    role.faultline/{{ . }}: "true"
    {{- end }}
    {{- with .podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "faultline.serviceAccountName" $root }}
  # It never speaks to Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
  {{- with .imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext: {{- toYaml .podSecurityContext | nindent 4 }}
  containers:
    - name: faultline
      image: {{ include "faultline.image" $root | quote }}
      imagePullPolicy: {{ .image.pullPolicy }}
      args: ["run", "--config", "/etc/faultline/faultline.yaml", "--roles", {{ join "," $work.roles | quote }}]
      env:
        - {name: FAULTLINE_LOG_FORMAT, value: json}
        {{- with .extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {name: http, containerPort: 7070}
        {{- if has "intake" $work.roles }}
        - {name: intake, containerPort: 4318}
        {{- end }}
        {{- if and .history.postgres.enabled (has "history" $work.roles) }}
        - {name: postgres, containerPort: 5433}
        {{- end }}
      # Ready: all partitions are known and the state is restored.
      startupProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml .startupProbe | nindent 8 }}
      livenessProbe:
        httpGet: {path: /livez, port: http}
        {{- toYaml .livenessProbe | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml .readinessProbe | nindent 8 }}
      resources: {{- toYaml $work.resources | nindent 8 }}
      securityContext: {{- toYaml .securityContext | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/faultline/faultline.yaml, subPath: faultline.yaml, readOnly: true}
        - {name: tokens, mountPath: /etc/faultline/secrets/tokens, readOnly: true}
        - {name: data, mountPath: /var/lib/faultline}
        {{- if .history.postgres.enabled }}
        - {name: history-tls, mountPath: /etc/faultline/secrets/history-tls, readOnly: true}
        {{- end }}
        {{- if .kafka.existingSecret }}
        - {name: kafka, mountPath: /etc/faultline/secrets/kafka, readOnly: true}
        {{- end }}
        {{- range .extraSecrets }}
        - {name: {{ printf "extra-%s" . | quote }}, mountPath: {{ printf "/etc/faultline/secrets/%s" . | quote }}, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "faultline.fullname" $root }}}
    - name: tokens
      secret: {secretName: {{ include "faultline.tokenSecret" $root }}, defaultMode: 0440}
    {{- if .history.postgres.enabled }}
    - name: history-tls
      secret: {secretName: {{ .history.postgres.tlsSecret | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with .kafka.existingSecret }}
    - name: kafka
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- range .extraSecrets }}
    - name: {{ printf "extra-%s" . | quote }}
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- if not (and $work.disk .persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- end }}
  {{- with .nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
