# Starts a Docker daemon, and in the place of Docker Hub a registry that has busybox, from the OCI layout in $HUB.
hub=127.0.0.1:5999
REGISTRY_HTTP_ADDR=$hub REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$HUB/store \
  node "$GANTRY_BUILT" serve >"$HUB/log" 2>&1 3<&- 4>&- &
dockerd --bridge=none --iptables=false --ip6tables=false --registry-mirror "http://$hub" \
  --data-root "$HUB/docker" >"$HUB/docker.log" 2>&1 3<&- 4>&- &
until grep -q '^gantry ready' "$HUB/log"; do sleep 0.1; done
skopeo --insecure-policy copy --dest-tls-verify=false "oci:$HUB/busybox:latest" "docker://$hub/library/busybox:latest"
until docker info >/dev/null 2>&1; do sleep 0.1; done
