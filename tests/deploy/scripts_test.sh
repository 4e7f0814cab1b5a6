#!/bin/bash
# What shellcheck says of every shell script of the project: those that begin with `#!/bin/bash` or `sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v shellcheck >/dev/null || {
  echo "SKIPPED: shellcheck is not installed (Debian package shellcheck)"
  exit 77
}
mapfile -t scripts < <(grep -rlE --exclude-dir=build --exclude-dir=.git '^#!/bin/(ba)?sh' . \
  | while IFS= read -r file; do ! head -n 1 "$file" | grep -qE '^#!/bin/(ba)?sh' || echo "$file"; done | sort)
[ ${#scripts[@]} -ge 20 ] || {
  echo "FAILED: only ${#scripts[@]} scripts found"
  exit 1
}
shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning "${scripts[@]}"
echo "${#scripts[@]} scripts are good"
