# shellcheck shell=bash
# Sourced by every client test: starts the real binary, compares, ends it, tells the result.
#
# Exit codes: 0 every comparison held and the server ended with 0; 1 otherwise; 77 skipped, with a
# line `SKIPPED: reason`. CLUSTERDNS_BINARY names the server.
set -uo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${CLUSTERDNS_BINARY:?set it to the clusterdns binary}"
# No client command may hang longer than this many seconds, and no client that lets itself be told gives
# up before: it asks once, so that an answer that is lost shows, and the machine may stand still meanwhile.
LIMIT=${CLUSTERDNS_CLIENT_LIMIT:-120}
# How long the server may take to start, in seconds: sanitizers on a loaded machine.
START_LIMIT=120
WORK=$(mktemp -d)
FAILED=0
PASSED=0
SERVER_PIDS=()
# A command to run the server under, such as `ip netns exec NAME`.
SERVER_PREFIX=()
NS=
HTTP=
# Run at the end, for what a test set up itself.
on_exit() { :; }

skip() {
  echo "SKIPPED: $*"
  exit 77
}

need() { # command, Debian package
  command -v "$1" >/dev/null || skip "$1 is not installed (Debian package $2)"
}

# launch "TRANSPORT…" ARGUMENTS…: starts a server, and waits until it has said where it listens for
# each of udp, tls, https that is named. LISTEN_HOST and LISTEN_PORT have the addresses by these.
declare -A LISTEN_HOST LISTEN_PORT
launch() {
  local wanted=$1 line each deadline=$((SECONDS + START_LIMIT)) stdout="$WORK/stdout${#SERVER_PIDS[@]}"
  shift
  LISTEN_HOST=() LISTEN_PORT=()
  mkfifo "$stdout"
  "${SERVER_PREFIX[@]}" "$CLUSTERDNS_BINARY" "$@" >"$stdout" 2>>"$WORK/stderr" &
  SERVER_PIDS+=($!)
  exec 3<"$stdout"
  while [ $SECONDS -lt $deadline ] && IFS= read -r -t $START_LIMIT line <&3; do
    echo "$line" >>"$WORK/log"
    [[ $line =~ Listening\ on\ (.*):([0-9]+)\ \(([a-z]+)(,\ tcp)?\)$ ]] || continue
    LISTEN_HOST[${BASH_REMATCH[3]}]=${BASH_REMATCH[1]}
    LISTEN_PORT[${BASH_REMATCH[3]}]=${BASH_REMATCH[2]}
    for each in $wanted; do [ -n "${LISTEN_PORT[$each]:-}" ] || continue 2; done
    cat <&3 >>"$WORK/log" & # so that the server never blocks on a full pipe
    exec 3<&-
    return
  done
  echo "FAILED: the server did not start"
  cat "$WORK/log" "$WORK/stderr" 2>/dev/null
  FAILED=1
  exit 1
}

# start_server LISTEN [ARGUMENTS…]: sets SERVER_HOST and SERVER_PORT. May be called again for
# another server.
start_server() {
  local listen=$1
  shift
  launch udp serve --listen "$listen" "$@"
  SERVER_HOST=${LISTEN_HOST[udp]} SERVER_PORT=${LISTEN_PORT[udp]}
}

# A network namespace of our own, $NS, with 192.0.2.10 and 2001:db8::10 beside loopback; removed at
# the end. Servers started afterwards run in it. Skips when that is not possible here.
enter_namespace() {
  need ip iproute2
  [ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
  NS=clusterdns-$$-$RANDOM
  # Commands in it get /sys mounted anew, which the kernel refuses in a chroot.
  { ip netns add "$NS" && ip netns exec "$NS" ip link set lo up; } 2>"$WORK/netns" \
    || skip "no network namespaces here: $(head -n 1 "$WORK/netns")"
  # getaddrinfo() asks only for families of which there is an address beside loopback's
  # (AI_ADDRCONFIG), so the namespace gets one of each, as a pod has.
  ip netns exec "$NS" ip address add 192.0.2.10/32 dev lo
  ip netns exec "$NS" ip address add 2001:db8::10/128 dev lo nodad 2>/dev/null
  mkdir -p "/etc/netns/$NS"
  SERVER_PREFIX=(ip netns exec "$NS")
}

leave_namespace() {
  [ -n "$NS" ] || return 0
  ip netns del "$NS" 2>/dev/null
  rm -rf "/etc/netns/$NS"
}

# limited COMMAND…: with the time limit.
limited() { timeout "$LIMIT" "$@"; }

# on_machine COMMAND…: in the namespace, with $WORK/lib as /var/lib: a machine of its own.
# shellcheck disable=SC2016 # the inner shell's words
on_machine() {
  limited ip netns exec "$NS" sh -c 'mount --bind "$1" /var/lib && shift && exec "$@"' sh \
    "$WORK/lib" "$@"
}

# serve_http ADDRESS…: an HTTP server on port 80 of these addresses, in the namespace, that says
# which host it was asked for, and where. Ended at the end.
serve_http() {
  mkfifo "$WORK/http"
  ip netns exec "$NS" python3 - "$WORK/http" "$@" <<'PY' &
import http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.headers['Host']} at {self.server.server_address[0]}\n".encode())
    def log_message(self, *_):
        pass
servers = [http.server.ThreadingHTTPServer((address, 80), Handler) for address in sys.argv[2:]]
open(sys.argv[1], "w").close()
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
PY
  HTTP=$!
  cat "$WORK/http"
}

# same WHAT EXPECTED ACTUAL
same() {
  if [ "$2" == "$3" ]; then
    PASSED=$((PASSED + 1))
  else
    FAILED=$((FAILED + 1))
    printf 'FAILED: %s\n--- expected\n%s\n--- got\n%s\n' "$1" "$2" "$3"
  fi
}

# counts WHAT NUMBER PATTERN TEXT: so many lines match. Otherwise all of the text is told.
counts() {
  if [ "$(grep -cE "$3" <<<"$4")" == "$2" ]; then
    PASSED=$((PASSED + 1))
  else
    FAILED=$((FAILED + 1))
    printf 'FAILED: %s\n--- expected %s lines with %s\n--- got\n%s\n' "$1" "$2" "$3" "$4"
  fi
}

# same_set WHAT EXPECTED ACTUAL: lines in any order.
same_set() { same "$1" "$(sort <<<"$2")" "$(sort <<<"$3")"; }

# holds WHAT COMMAND…
holds() {
  local what=$1
  shift
  same "$what" yes "$("$@" >/dev/null && echo yes || echo no)"
}

# eventually WHAT COMMAND…: within a minute.
eventually() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || break
  done
  holds "$what" "$@"
}

# contains WHAT PART TEXT
contains() {
  case $3 in
    *"$2"*) PASSED=$((PASSED + 1)) ;;
    *)
      FAILED=$((FAILED + 1))
      printf 'FAILED: %s\n--- expected to contain\n%s\n--- got\n%s\n' "$1" "$2" "$3"
      ;;
  esac
}

finish() {
  local code=$?
  trap - EXIT
  local pid
  for pid in "${SERVER_PIDS[@]}"; do
    kill -TERM "$pid" 2>/dev/null
    local exit_code=0
    # It ends on its own; a watchdog ends the wait when it does not.
    (
      exec >/dev/null 2>&1
      timeout 30 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
    ) &
    wait "$pid" || exit_code=$?
    if [ $exit_code -ne 0 ]; then
      echo "FAILED: the server ended with exit code $exit_code"
      cat "$WORK/log" "$WORK/stderr"
      FAILED=$((FAILED + 1))
    fi
  done
  on_exit
  [ -z "$HTTP" ] || kill "$HTTP" 2>/dev/null
  leave_namespace
  rm -rf "$WORK"
  [ $code -eq 77 ] && exit 77
  if [ $FAILED -ne 0 ] || [ $code -ne 0 ]; then
    echo "$PASSED comparisons held, $FAILED did not"
    exit 1
  fi
  echo "$PASSED comparisons held"
  exit 0
}
trap finish EXIT
