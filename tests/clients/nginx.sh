#!/bin/bash
# NGINX in front of a headless service: `resolver … valid=`, a name in a variable.
. "$(dirname "$0")/lib.sh"
need nginx nginx-light
need curl curl
need python3 python3
# The endpoints must be addresses that exist: several of 127/8, all on one free port.
read -r BACKEND PROXY < <(python3 - "$HERE/../support" <<'PY'
import socket
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from ports import free_port
def free(addresses):
    while True:
        port = free_port()
        held = [socket.socket() for _ in addresses]
        try:
            for s, address in zip(held, addresses):
                s.bind((address, port))
            return port
        except OSError:
            pass
        finally:
            for s in held:
                s.close()
print(free([f"127.0.10.{i}" for i in range(1, 5)]), free(["127.0.0.1"]))
PY
)
manifest() { # addresses
  cat <<YAML
apiVersion: v1
kind: Service
metadata:
  name: www
spec:
  clusterIP: None
  ports:
  - name: http
    port: $BACKEND
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: www-1
  labels:
    kubernetes.io/service-name: www
addressType: IPv4
ports:
- name: http
  port: $BACKEND
endpoints:
YAML
  for address in "$@"; do echo "- addresses: [$address]"; done
}
mkdir "$WORK/manifests" "$WORK/nginx"
publish() { # atomically
  manifest "$@" >"$WORK/www.new" && mv "$WORK/www.new" "$WORK/manifests/www.yaml"
}
publish 127.0.10.1 127.0.10.2 127.0.10.3
start_server 127.0.0.1:0 --manifests "$WORK/manifests" --no-forward

cat >"$WORK/nginx/nginx.conf" <<CONF
daemon off;
master_process off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log error;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $WORK/nginx/body;
  proxy_temp_path $WORK/nginx/proxy;
  fastcgi_temp_path $WORK/nginx/fastcgi;
  uwsgi_temp_path $WORK/nginx/uwsgi;
  scgi_temp_path $WORK/nginx/scgi;
  resolver 127.0.0.1:$SERVER_PORT valid=1s ipv6=off;
  resolver_timeout 30s;
$(for i in 1 2 3 4; do echo "  server { listen 127.0.10.$i:$BACKEND; return 200 'backend-$i'; }"; done)
  server {
    listen 127.0.0.1:$PROXY;
    location / {
      set \$backend www.default.svc.cluster.local;
      proxy_pass http://\$backend:$BACKEND;
    }
    location /missing {
      set \$backend nothing.default.svc.cluster.local;
      proxy_pass http://\$backend:$BACKEND;
    }
  }
}
CONF
nginx -p "$WORK/nginx" -c "$WORK/nginx/nginx.conf" -e "$WORK/nginx/error.log" &
NGINX=$!
on_exit() {
  kill -TERM "$NGINX" 2>/dev/null
  wait "$NGINX" 2>/dev/null
  [ $FAILED -eq 0 ] || tail -20 "$WORK/nginx/error.log"
}
get() { limited curl -sS --max-time 60 "http://127.0.0.1:$PROXY$1"; }
# curl itself waits for the proxy to listen.
limited curl -s --retry 1000 --retry-connrefused --retry-delay 0 --retry-max-time "$LIMIT" \
  "http://127.0.0.1:$PROXY/" >/dev/null || { echo "FAILED: nginx did not start"; exit 1; }

# seen UNTIL: the backends that answer, until the set is UNTIL or the time is up.
seen() {
  local deadline=$((SECONDS + LIMIT)) all="" now=""
  while [ $SECONDS -lt $deadline ]; do
    now=$(for _ in $(seq 30); do get /; echo; done | sort -u | tr '\n' ' ')
    all=$now
    [ "$now" == "$1" ] && break
  done
  echo "$all"
}
same "every endpoint is used" "backend-1 backend-2 backend-3 " \
  "$(seen 'backend-1 backend-2 backend-3 ')"
publish 127.0.10.2 127.0.10.4
same "changes are followed without a reload" "backend-2 backend-4 " "$(seen 'backend-2 backend-4 ')"
same "unknown service" 502 "$(limited curl -s -o /dev/null -w '%{http_code}' --max-time 60 \
  "http://127.0.0.1:$PROXY/missing")"
contains "nginx was told NXDOMAIN" "Host not found" "$(cat "$WORK/nginx/error.log")"
same "nginx complains about no answer" "" \
  "$(grep -vE 'nothing\.default\.svc\.cluster\.local could not be resolved' "$WORK/nginx/error.log")"
