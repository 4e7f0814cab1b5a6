#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "app/corefile/parser.h"
#include "app/corefile/problems.h"
#include "app/directives/directive.h"
#include "app/instance/instance.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/dns/policy/geo_database.h"
#include "tests/unit/dns/shape/keys.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::app {
namespace {

// A directive in a server block, or after "!" a whole Corefile. DIR is a folder with files for it.
struct Case {
  std::string_view directive;
  std::string_view text;
  std::string_view
      error;  // how the first one begins, the block being at line 1; empty: it is taken
};

constexpr Case kCases[] = {
    {"root", "root DIR", ""},
    {"root", "root", "2:1: root: needs 1 argument but has none; write `root PATH`"},
    {"root", "root DIR other", "2:10: root: 'other' is one argument too many; write `root PATH`"},
    {"root", "root DIR/none", ""},
    {"metadata", "metadata", ""},
    {"metadata", "metadata example.org", ""},
    {"metadata", "metadata a..b",
     "2:10: metadata: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"cancel", "cancel", ""},
    {"cancel", "cancel 3s", ""},
    {"cancel", "cancel soon",
     "2:8: cancel: 'soon' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"cancel", "cancel 1s 2s",
     "2:11: cancel: '2s' is one argument too many; write `cancel [TIMEOUT]`"},
    {"proxyproto", "proxyproto", ""},
    {"timeouts", "timeouts {\nread 5s\nwrite 5s\nidle 10s\n}", ""},
    {"timeouts", "timeouts",
     "2:1: timeouts: says nothing; write `read`, `write` or `idle` in its block"},
    {"timeouts", "timeouts {\nread never\n}",
     "3:6: timeouts: read: 'never' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"timeouts", "timeouts {\nmaxtcpqueries 128\n}", ""},
    {"timeouts", "timeouts {\nmaxtcpqueries -1\n}", ""},
    {"timeouts", "timeouts {\nmaxtcpqueries 0\n}",
     "3:15: timeouts: maxtcpqueries: '0' is not a valid number; write one from 1 to 2147483647"},
    {"timeouts", "timeouts {\nsleep 5s\n}",
     "3:1: timeouts: 'sleep' is not an option here; choose from:"},
    {"timeouts", "timeouts {\nwrite\n}",
     "3:1: timeouts: write: needs 1 argument but has none; write `write DURATION`"},
    {"timeouts", "timeouts {\nidle 1h 2h\n}",
     "3:9: timeouts: idle: '2h' is one argument too many; write `idle DURATION`"},
    {"multisocket", "multisocket 4", ""},
    {"workers", "workers 2", ""},
    {"workers", "workers", "2:1: workers: needs 1 argument but has none; write `workers N`"},
    {"workers", "workers 0", "2:9: workers: '0' is not a valid number; write one from 1 to 256"},
    {"workers", "workers many",
     "2:9: workers: 'many' is not a valid number; write one from 1 to 256"},
    {"workers", "workers 1 2", "2:11: workers: '2' is one argument too many; write `workers N`"},
    {"reload", "reload", ""},
    {"reload", "reload 10s 2s", ""},
    {"reload", "reload 1s", "2:8: reload: '1s' is too short; the shortest interval is 2s"},
    {"reload", "reload soon",
     "2:8: reload: 'soon' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"reload", "reload 10s 8s", ""},
    {"reload", "reload 10s 2s 3s",
     "2:15: reload: '3s' is one argument too many; write `reload [INTERVAL] [JITTER]`"},
    {"reload", "reload 0s", "2:8: reload: '0s' is too short; the shortest interval is 2s"},
    {"nsid", "nsid", ""},
    {"nsid", "nsid a b", ""},
    {"nsid",
     "nsid "
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxx",
     "2:6: nsid: has more than 255 octets"},
    {"bufsize", "bufsize", ""},
    {"bufsize", "bufsize 1232", ""},
    {"bufsize", "bufsize 511",
     "2:9: bufsize: '511' is not a valid number; write one from 512 to 4096"},
    {"bufsize", "bufsize 65536",
     "2:9: bufsize: '65536' is not a valid number; write one from 512 to 4096"},
    {"bufsize", "bufsize big",
     "2:9: bufsize: 'big' is not a valid number; write one from 512 to 4096"},
    {"bufsize", "bufsize 1 2",
     "2:11: bufsize: '2' is one argument too many; write `bufsize [SIZE]`"},
    {"bind", "bind 127.0.0.1 ::1", ""},
    {"bind", "bind lo {\nexcept ::1\n}", ""},
    {"bind", "bind", "2:1: bind: needs at least 1 argument but has none; write `bind ADDRESS…`"},
    {"bind", "bind 300.1.1.1",
     "2:6: bind: '300.1.1.1' is neither an address nor an interface with addresses; `ip address` "
     "lists them"},
    {"bind", "bind nosuch0",
     "2:6: bind: 'nosuch0' is neither an address nor an interface with addresses; `ip address` "
     "lists them"},
    {"bind", "bind lo {\nonly ::1\n}", "3:1: bind: 'only' is not an option here; choose from:"},
    {"bind", "bind 127.0.0.1 {\nexcept\n}",
     "3:1: bind: except: needs at least 1 argument but has none; write `except ADDRESS…`"},
    {"debug", "debug", ""},
    {"debug", "debug all", "2:7: debug: 'all' is one argument too many; write `debug`"},
    {"trace", "trace", ""},
    {"ready", "ready", ""},
    {"ready", "ready :8181", ""},
    {"ready", "ready {\nmonitor continuously\n}", ""},
    {"ready", "ready :99999",
     "2:7: ready: '99999' is not a valid port; write a number from 0 to 65535"},
    {"ready", "ready node_1.example.org.:8181", ""},
    {"ready", "ready 10.0.0.300:8181",
     "2:7: ready: '10.0.0.300' is not an address; write an IP address, localhost, or nothing"},
    {"ready", "ready a..b:8181", "2:7: ready: 'a..b' is not an address; write an IP address"},
    {"ready", "ready a b",
     "2:9: ready: 'b' is one argument too many; write `ready [ADDRESS:PORT]`"},
    {"ready", "ready {\nmonitor never\n}",
     "3:9: ready: monitor: 'never' is not a valid value here; choose from:"},
    {"ready", "ready {\nwatch\n}", "3:1: ready: 'watch' is not an option here; choose from:"},
    {"health", "health", ""},
    {"health", "health :8080 {\nlameduck 5s\ngrace 10s\n}", ""},
    {"health", "health dns.example:8080", ""},
    {"health", "health not/a/name:8080",
     "2:8: health: 'not/a/name' is not an address; write an IP address"},
    {"health", "health nowhere", "2:8: health: 'nowhere' has no port; write ADDRESS:PORT or :PORT"},
    {"health", "health {\nlameduck long\n}",
     "3:10: health: lameduck: 'long' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"health", "health {\ngrace\n}",
     "3:1: health: grace: needs 1 argument but has none; write `grace DURATION`"},
    {"health", "health {\nidle 3s\n}", "3:1: health: 'idle' is not an option here; choose from:"},
    {"pprof", "pprof", ""},
    {"shed", "shed", ""},
    {"prometheus", "prometheus", ""},
    {"prometheus", "prometheus :9153 {\nruntime_metrics\n}", ""},
    {"prometheus", "prometheus dns.example:9153", ""},
    {"prometheus",
     "!. {\nprometheus a.example:9153\n}\nb {\nprometheus a.example:9153 {\ntls DIR/cert.pem "
     "DIR/key.pem\n}\n}",
     "5:1: prometheus: /metrics of "},
    {"prometheus", "prometheus :http",
     "2:12: prometheus: 'http' is not a valid port; write a number from 0 to 65535"},
    {"prometheus", "prometheus {\npath /m\n}",
     "3:1: prometheus: 'path' is not an option here; choose from:"},
    {"prometheus", "prometheus {\nruntime_metrics\n}", ""},
    {"prometheus", "prometheus {\ntls DIR/cert.pem DIR/key.pem\n}", ""},
    {"prometheus", "prometheus {\ntls DIR/cert.pem DIR/key.pem DIR/cert.pem\n}", ""},
    {"prometheus", "prometheus {\ntls DIR/web.yaml\n}", ""},
    {"prometheus", "prometheus {\ntls\n}",
     "3:1: prometheus: tls: needs at least 1 argument but has none; write `tls FILE|CERT [KEY] "
     "[CA]`"},
    {"prometheus", "prometheus {\ntls DIR/none DIR/key.pem\n}",
     "3:5: prometheus: tls: 'DIR/none' cannot be read"},
    {"prometheus", "prometheus {\ntls DIR/web-passwords.yaml\n}",
     "DIR/web-passwords.yaml:2:1: 'basic_auth_users' is not supported; write"},
    {"prometheus", "prometheus {\ntls DIR/web-nobody.yaml\n}",
     "3:5: prometheus: tls: 'DIR/web-nobody.yaml' verifies clients and names no `client_ca_file`"},
    {"prometheus",
     "!. {\nprometheus :9153\n}\na {\nprometheus :9153 {\ntls DIR/cert.pem DIR/key.pem\n}\n}",
     "5:1: prometheus: /metrics of ':9153' has another `tls` at"},
    {"prometheus", "prometheus :9153 {\ntls DIR/cert.pem DIR/key.pem\n}\nhealth :9153",
     "2:1: prometheus: ':9153' is asked for /health or /ready, too, which have no TLS; give one"},
    {"prometheus", "prometheus {\nruntime_metrics all\n}",
     "3:17: prometheus: runtime_metrics: 'all' is one argument too many; write `runtime_metrics`"},
    {"console", "console localhost:0 {\nhost dns.example\nhistory 1h\nallow_edit\n}", ""},
    {"console", "console dns.example:5380", ""},
    {"console", "console 127.0.0.1:5380 {\ntoken DIR/token\n}", ""},
    {"console", "console {\ntls DIR/cert.pem DIR/key.pem\n}", ""},
    {"console", "console 0.0.0.0:5380",
     "2:9: console: '0.0.0.0:5380' can be reached by others; add 'token FILE', which the console "
     "then asks for, or use localhost"},
    {"console", "console {\ntoken\n}",
     "3:1: console: token: needs 1 argument but has none; write `token FILE`"},
    {"console", "console {\nhistory 1s\n}",
     "3:9: console: history: '1s' is out of range; write a duration from 1m to 24h"},
    {"console", "console {\nhost\n}",
     "3:1: console: host: needs at least 1 argument but has none; write `host NAME…`"},
    {"console", "console {\nallow_edit yes\n}",
     "3:12: console: allow_edit: 'yes' is one argument too many; write `allow_edit`"},
    {"console", "console {\ntls DIR/none\n}",
     "3:1: console: tls: needs 2 arguments but has 1 argument; write `tls CERT KEY`"},
    {"console", "console {\ncolor\n}", "3:1: console: 'color' is not an option here; choose from:"},
    {"errors", "errors", ""},
    {"errors", "errors {\nstacktrace\nconsolidate 5m .* warning show_first\n}", ""},
    {"errors", "errors all", "2:8: errors: 'all' is not a valid value here; choose from:"},
    {"errors", "errors {\nconsolidate 5m\n}",
     "3:1: errors: consolidate: needs at least 2 arguments but has 1 argument; write `consolidate "
     "DURATION REGEXP [warning|error|info|debug] [show_first]`"},
    {"errors", "errors {\nconsolidate 5m (\n}",
     "3:16: errors: consolidate: '(' is not a regular expression: missing ): ("},
    {"errors", "errors {\nconsolidate 5m .* loud\n}",
     "3:19: errors: consolidate: 'loud' is not a valid value here; choose from:"},
    {"errors", "errors {\nstacktrace on\n}",
     "3:12: errors: stacktrace: 'on' is one argument too many; write `stacktrace`"},
    {"errors", "errors {\nmute\n}", "3:1: errors: 'mute' is not an option here; choose from:"},
    {"log", "log", ""},
    {"log", "log . {combined}", ""},
    {"log", "log example.org {\nclass denial error\n}", ""},
    {"log", "log {\nclass some\n}",
     "3:7: log: class: 'some' is not a valid value here; choose from:"},
    {"log", "log {\nclass\n}",
     "3:1: log: class: needs at least 1 argument but has none; write `class "
     "all|success|denial|error…`"},
    {"log", "log {\ncolour\n}", "3:1: log: 'colour' is not an option here; choose from:"},
    {"log", "log a..b", "2:5: log: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"dnstap", "dnstap /tmp/tap.sock", ""},
    {"dnstap", "dnstap unix:///tmp/tap.sock full 1024 4096", ""},
    {"dnstap", "dnstap tcp://[::1]:6000 {\nidentity a\nversion b\nextra {name}\n}", ""},
    {"dnstap", "dnstap tls://tap.example:6000 full {\nskipverify\n}", ""},
    {"dnstap", "dnstap",
     "2:1: dnstap: needs at least 1 argument but has none; write `dnstap "
     "SOCKET|tcp://HOST:PORT|tls://HOST:PORT [full] [WRITEBUFFER] [QUEUE]`"},
    {"dnstap", "dnstap /a full 1 1 1", "2:20: dnstap: '1' is one argument too many; write"},
    {"dnstap", "dnstap unix://",
     "2:8: dnstap: 'unix://' names no socket; write it like /run/dnstap.sock"},
    {"dnstap", "dnstap tcp://tap.example",
     "2:8: dnstap: 'tcp://tap.example' is not a place to send to; write it like "
     "tcp://collector.example:6000"},
    {"dnstap", "dnstap tcp://::1:6000", "2:8: dnstap: 'tcp://::1:6000' is not a place to send to"},
    {"dnstap", "dnstap tcp://a:0", "2:8: dnstap: 'tcp://a:0' has no port to send to"},
    {"dnstap", "dnstap tcp://a:port", "2:8: dnstap: 'port' is not a valid port"},
    {"dnstap", "dnstap listen tcp://127.0.0.1:6000",
     "2:8: dnstap: 'listen' is a form of CoreDNS that is not supported; let the collector listen"},
    {"dnstap", "dnstap /a full 0",
     "2:16: dnstap: '0' is not a valid number; write one from 1 to 1024"},
    {"dnstap", "dnstap /a full 1 4097",
     "2:18: dnstap: '4097' is not a valid number; write one from 1 to 4096"},
    {"dnstap", "dnstap /a {\nidentity\n}",
     "3:1: dnstap: identity: needs 1 argument but has none; write `identity IDENTITY`"},
    {"dnstap", "dnstap /a {\nsecret\n}",
     "3:1: dnstap: 'secret' is not an option here; choose from:"},
    {"evidence", "evidence", ""},
    {"evidence", "evidence {\nnames 10\nclients 5\ncapture DIR/e.pcapng\nlog DIR/e.json\n}", ""},
    {"evidence", "evidence all",
     "2:10: evidence: 'all' is one argument too many; write `evidence { … }`"},
    {"evidence", "evidence {\nnames few\n}",
     "3:7: evidence: names: 'few' is not a valid number; write one from 1 to 10000000"},
    {"evidence", "evidence {\nclients 0\n}",
     "3:9: evidence: clients: '0' is not a valid number; write one from 1 to 10000000"},
    {"evidence", "evidence {\ncapture\n}",
     "3:1: evidence: capture: needs 1 argument but has none; write `capture FILE`"},
    {"evidence", "evidence {\nlog\n}",
     "3:1: evidence: log: needs 1 argument but has none; write `log FILE`"},
    {"evidence", "evidence {\nkeep\n}",
     "3:1: evidence: 'keep' is not an option here; choose from:"},
    {"fault", "fault fault.test", ""},
    {"fault", "fault fault.test {\nclients 10.0.0.0/8\nseed 7\nrule slow {\ndo d100\n}\n}", ""},
    {"fault", "fault {\nscenario DIR/scenario\n}", ""},
    {"fault", "fault",
     "2:1: fault: names neither a zone nor rules; write `fault fault.test`, for example"},
    {"fault", "fault f.test {\nseed x\n}",
     "3:6: fault: seed: 'x' is not a seed; write a number such as 42"},
    {"fault", "fault f.test {\nclients all\n}",
     "3:9: fault: clients: 'all' is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112"},
    {"fault", "fault f.test {\nrule\n}",
     "3:1: fault: rule: needs 1 argument but has none; write `rule NAME`"},
    {"fault", "fault f.test {\nscenario DIR/none\n}",
     "3:10: fault: scenario: cannot open 'DIR/none': No such file or directory; check the path"},
    {"fault", "fault f.test {\nchance\n}",
     "3:1: fault: 'chance' is not an option here; choose from:"},
    {"local", "local", ""},
    {"local", "local {\nlocalhost_prefix off\n}", ""},
    {"local", "local host", "2:7: local: 'host' is one argument too many; write `local`"},
    {"local", "local {\nlocalhost_prefix maybe\n}",
     "3:18: local: localhost_prefix: 'maybe' is not a valid value here; choose from:"},
    {"local", "local {\nremote\n}", "3:1: local: 'remote' is not an option here; choose from:"},
    {"dns64", "dns64", ""},
    {"dns64", "dns64 64:ff9b::/96", ""},
    {"dns64", "dns64 {\nprefix 2001:db8::/64\ntranslate_all\nallow_ipv4\n}", ""},
    {"dns64", "dns64 10.0.0.0/8",
     "2:7: dns64: '10.0.0.0/8' is not a prefix of IPv6; write one such as 64:ff9b::/96"},
    {"dns64", "dns64 {\nprefix 2001:db8::/65\n}",
     "3:8: dns64: prefix: '2001:db8::/65' has a length that no address of IPv4 can follow; write "
     "32, 40, 48, 56, 64 or 96 bits"},
    {"dns64", "dns64 {\ntranslate_all yes\n}",
     "3:15: dns64: translate_all: 'yes' is one argument too many; write `translate_all`"},
    {"dns64", "dns64 {\nallow_ipv4 yes\n}",
     "3:12: dns64: allow_ipv4: 'yes' is one argument too many; write `allow_ipv4`"},
    {"dns64", "dns64 {\nexcept\n}", "3:1: dns64: 'except' is not an option here; choose from:"},
    {"any", "any", ""},
    {"any", "any thing", "2:5: any: 'thing' is one argument too many; write `any`"},
    {"chaos", "chaos", ""},
    {"chaos", "chaos v1 a b", ""},
    {"chaos",
     "chaos "
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxx",
     ""},
    {"loadbalance", "loadbalance", ""},
    {"loadbalance", "loadbalance round_robin", ""},
    {"loadbalance", "loadbalance off", ""},
    {"loadbalance", "loadbalance weighted DIR/weights {\nreload 10s\n}", ""},
    {"loadbalance", "loadbalance {\nprefer 10.0.0.0/8\n}", ""},
    {"loadbalance", "loadbalance random",
     "2:13: loadbalance: 'random' is not a valid value here; choose from:"},
    {"loadbalance", "loadbalance weighted",
     "2:1: loadbalance: needs 2 arguments but has 1 argument; write `loadbalance weighted FILE`"},
    {"loadbalance", "loadbalance weighted DIR/weights {\nreload x\n}",
     "3:8: loadbalance: reload: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"loadbalance", "loadbalance {\nprefer home\n}",
     "3:8: loadbalance: prefer: 'home' is not a network; write it like 10.96.0.0/16 or "
     "fd00:10:96::/112"},
    {"loadbalance", "loadbalance {\nsort\n}",
     "3:1: loadbalance: 'sort' is not an option here; choose from:"},
    {"rewrite", "rewrite name foo.example.org bar.example.org", ""},
    {"rewrite", "rewrite stop type ANY HINFO", ""},
    {"rewrite", "rewrite name regex (.*)\\.a b.{1} answer auto", ""},
    {"rewrite", "rewrite",
     "2:1: rewrite: something is missing; write `rewrite [continue|stop] "
     "name|type|class|ttl|rcode|cname|edns0 …`"},
    {"rewrite", "rewrite name",
     "2:9: rewrite: something is missing; write `name [exact|prefix|suffix|substring|regex] FROM "},
    {"rewrite", "rewrite colour a b",
     "2:9: rewrite: 'colour' is not one of name, type, class, ttl, rcode, cname, edns0"},
    {"rewrite", "rewrite name regex ( b",
     "2:20: rewrite: '(' is not a regular expression: missing ): ("},
    {"rewrite", "rewrite type A NOPE",
     "2:16: rewrite: 'NOPE' is not a type of records; write one such as A, AAAA or TYPE65280"},
    {"rewrite", "rewrite ttl a.example x",
     "2:23: rewrite: 'x' is not a TTL; write seconds such as 30, or a range such as 30-300, 30- or "
     "-300"},
    {"autopath", "autopath cluster.local DIR/resolv.conf", ""},
    {"autopath",
     "kubernetes cluster.local {\nmanifests DIR/objects\npods verified\n}\nautopath @kubernetes",
     ""},
    {"autopath", "autopath",
     "2:1: autopath: needs at least 1 argument but has none; write `autopath [ZONE…] "
     "@kubernetes|namespace|RESOLV-CONF`"},
    {"autopath", "autopath @nosuch",
     "2:10: autopath: '@nosuch' is not known; write `@kubernetes`, `namespace` or a file"},
    {"autopath", "autopath @kubernetes {\nclients 10.0.0.0/8\n}",
     "3:1: autopath: takes no block; remove its '{' and '}'"},
    {"autopath",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\nautopath cluster.local namespace "
     "{\nclients 10.244.0.0/16 fd00::/8\nsearch corp.example lab.example\nnegative nodata\n}",
     ""},
    {"autopath",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\nautopath namespace {\nclients "
     "10.0.0.0/8\nsearch .\nnegative nxdomain\n}",
     ""},
    {"autopath", "autopath namespace {\nclients 10.0.0.0/8\n}",
     "2:10: autopath: 'namespace' needs `kubernetes` in the same server block; write it there"},
    {"autopath", "kubernetes cluster.local {\nmanifests DIR/objects\n}\nautopath namespace",
     "5:10: autopath: 'namespace' needs `clients CIDR…` in its block, the addresses of the pods; "
     "write it there"},
    {"autopath",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\nautopath namespace {\nclients "
     "10.0.0.0/8\nsearch a.example .\n}",
     "7:18: autopath: search: '.' is the root, which is tried last anyway; remove it"},
    {"autopath",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\nautopath namespace {\nclients "
     "10.0.0.0/8\nnegative maybe\n}",
     "7:10: autopath: negative: 'maybe' is not a valid value here; "},
    {"autopath", "autopath @kubernetes",
     "2:10: autopath: '@kubernetes' needs `kubernetes` in the same server block; write it there"},
    {"acl", "acl {\nallow net 10.0.0.0/8\nblock\nfilter type ANY\ndrop net *\n}", ""},
    {"acl", "acl {\nallow from 10.0.0.0/8\n}",
     "3:7: acl: allow: 'from' is not expected here; write `type TYPE…` or `net CIDR…`"},
    {"acl", "acl {\nblock net a/8\n}",
     "3:11: acl: block: 'a/8' is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112"},
    {"acl", "acl {\nfilter type NOPE\n}",
     "3:13: acl: filter: 'NOPE' is not a type of records; write one such as A, AAAA or TYPE65280"},
    {"acl", "acl {\ndeny\n}", "3:1: acl: 'deny' is not an option here; choose from:"},
    {"acl", "acl {\ndrop net\n}",
     "3:6: acl: drop: 'net' names no network; write some, or `*` for all"},
    {"header", "header {\nquery set rd\nresponse clear aa ra\n}", ""},
    {"header", "header",
     "2:1: header: says nothing; write `query` or `response` lines in its block"},
    {"header", "header {\nquery set qr\n}",
     "3:11: header: query set: 'qr' is not a valid value here; choose from:"},
    {"header", "header {\nresponse flip aa\n}",
     "3:10: header: response: 'flip' is not a valid value here; choose from:"},
    {"header", "header {\nanswer set aa\n}",
     "3:1: header: 'answer' is not an option here; choose from:"},
    {"minimal", "minimal", ""},
    {"minimal", "minimal answers",
     "2:9: minimal: 'answers' is one argument too many; write `minimal`"},
    {"template",
     "template IN A example.org {\nmatch ^a\nvar v \"1\"\nexpr type() == 'A'\nanswer \"{{ .Name }} "
     "60 IN A 192.0.2.1\"\nadditional \"x. 60 IN A 192.0.2.1\"\nauthority \"x. 60 IN NS "
     "a.\"\nrcode NOERROR\nederror 1 text\nupstream\nfallthrough\n}",
     ""},
    {"template", "template",
     "2:1: template: needs at least 2 arguments but has none; write `template CLASS TYPE [ZONE…]`"},
    {"template", "template IN",
     "2:1: template: needs at least 2 arguments but has 1 argument; write `template CLASS TYPE "
     "[ZONE…]`"},
    {"template", "template XX A", "2:10: template: 'XX' is not a class; write IN, CH or HS"},
    {"template", "template IN A {\nmatch (\n}",
     "3:7: template: match: '(' is not a regular expression: missing ): ("},
    {"template", "template IN A {\nvar x\n}",
     "3:1: template: var: needs at least 2 arguments but has 1 argument; write `var NAME "
     "EXPRESSION…`"},
    {"template", "template IN A {\nexpr 1 +\n}",
     "3:6: template: expr: '1 +' is not an expression: unexpected end (1:4)"},
    {"template", "template IN A {\nanswer \"{{ .Nope }}\"\n}",
     "3:8: template: answer: '{{ .Nope }}' is not a template: there is no field .Nope"},
    {"template", "template IN A {\nanswer \"a. 60 IN\"\n}", ""},
    {"template", "template IN A {\nadditional\n}",
     "3:1: template: additional: needs at least 1 argument but has none; write `additional RR…`"},
    {"template", "template IN A {\nauthority\n}",
     "3:1: template: authority: needs at least 1 argument but has none; write `authority RR…`"},
    {"template", "template IN A {\nrcode NOPE\n}",
     "3:7: template: rcode: 'NOPE' is not a response code; write a name such as NXDOMAIN, or its "
     "number"},
    {"template", "template IN A {\nederror x\n}",
     "3:9: template: ederror: 'x' is not a valid number; write one from 0 to 65535"},
    {"template", "template IN A {\nupstream nowhere..\n}", ""},
    {"template", "template IN A {\nfallthrough a..b\n}",
     "3:13: template: fallthrough: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"template", "template IN A {\nmatches\n}",
     "3:1: template: 'matches' is not an option here; did you mean 'match'?"},
    {"geoip", "geoip DIR/city.mmdb", ""},
    {"geoip", "geoip DIR/city.mmdb {\nedns-subnet\n}", ""},
    {"geoip", "geoip", "2:1: geoip: needs 1 argument but has none; write `geoip DBFILE`"},
    {"geoip", "geoip DIR/none.mmdb",
     "2:7: geoip: 'DIR/none.mmdb' cannot be used: No such file or directory"},
    {"geoip", "geoip DIR/zone", "2:7: geoip: 'DIR/zone' cannot be used: "},
    {"geoip", "geoip DIR/city.mmdb {\nlanguages en\n}",
     "3:1: geoip: 'languages' is not an option here; choose from: edns-subnet"},
    {"dnssec", "dnssec example.test {\nkey file DIR/Kexample.test.+013+58245\n}", ""},
    {"dnssec", "dnssec example.test {\nkey file DIR/Kexample.test.+013+58245.key\n}", ""},
    {"dnssec",
     "dnssec a.example.test {\nkey file DIR/Kexample.test.+013+58245.private\n"
     "cache_capacity 5\n}",
     ""},
    {"dnssec", "dnssec",
     "2:1: dnssec: there is no key to sign with; make one (`dnssec-keygen -a ECDSAP256SHA256 "
     "ZONE`) and name it: `key file K…`"},
    {"dnssec", "dnssec {\nkey\n}",
     "3:1: dnssec: key: needs at least 2 arguments but has none; write `key "
     "file|aws_secretsmanager KEY…`"},
    {"dnssec", "dnssec {\nkey file\n}",
     "3:1: dnssec: key: needs at least 2 arguments but has 1 argument; write `key "},
    {"dnssec", "dnssec {\nkey vault a\n}", "3:5: dnssec: key: 'vault' is not"},
    {"dnssec", "dnssec {\nkey aws_secretsmanager a\n}",
     "3:5: dnssec: key: 'aws_secretsmanager' is not supported; let the External Secrets Operator,"},
    {"dnssec", "dnssec {\nkey file DIR/Knone\n}",
     "3:10: dnssec: key: 'DIR/Knone.key' cannot be read: No such file or directory; a key has "
     "two "},
    {"dnssec", "dnssec other.test {\nkey file DIR/Kexample.test.+013+58245\n}",
     "3:10: dnssec: key: 'DIR/Kexample.test.+013+58245' is a key of 'example.test.', which no "
     "zone "},
    {"dnssec",
     "dnssec example.test {\nkey file DIR/Kexample.test.+013+58245 "
     "DIR/Kexample.test.+013+58245.key\n}",
     "3:39: dnssec: key: 'DIR/Kexample.test.+013+58245.key' has the tag 58245 of another key; name "
     "each"},
    {"dnssec", "dnssec example.test {\nkey file DIR/Kexample.test.+013+58245\ncache_capacity 0\n}",
     "4:16: dnssec: cache_capacity: '0' is not a valid number; write one from 1 to 1000000"},
    {"sign", "sign DIR/zone example.test {\nkey file DIR/Kexample.test.+013+58245\n}", ""},
    {"sign",
     "sign DIR/zone example.test example.org {\nkey file DIR/Kexample.test.+013+58245.key\n"
     "directory DIR\n}",
     ""},
    {"sign", "sign DIR/zone example.test {\nkey directory DIR\n}", ""},
    {"sign", "sign", "2:1: sign: needs at least 1 argument but has none; write `sign DBFILE"},
    {"sign", "sign DIR/zone example.test",
     "2:1: sign: there is no key to sign with; make one (`dnssec-keygen -a ECDSAP256SHA256 -f "
     "KSK "},
    {"sign", "sign DIR/zone example.test {\nkey file\n}",
     "3:1: sign: key: needs at least 2 arguments but has 1 argument; write `key "},
    {"sign", "sign DIR/zone example.test {\nkey vault a\n}", "3:5: sign: key: 'vault' is not"},
    {"sign", "sign DIR/zone other.test {\nkey directory DIR\n}",
     "3:15: sign: key: 'DIR' has no key of 'other.test.'; make one there: `dnssec-keygen"},
    {"sign", "sign DIR/zone other.test {\nkey directory DIR/none\n}",
     "3:15: sign: key: 'DIR/none' cannot be read: No such file or directory"},
    {"sign",
     "sign DIR/zone example.test {\nkey file DIR/Kexample.test.+013+58245 "
     "DIR/Kexample.test.+013+58245\n}",
     "3:39: sign: key: 'DIR/Kexample.test.+013+58245' has the tag 58245 of another key"},
    {"sign", "sign DIR/zone example.test {\nkey file DIR/Kexample.test.+013+44228\n}",
     "3:10: sign: key: 'DIR/Kexample.test.+013+44228' is a key without the SEP bit; one key signs"},
    {"sign", "sign DIR/zone example.test {\ndirectory\n}",
     "3:1: sign: directory: needs 1 argument but has none; write `directory DIR`"},
    {"sign",
     "sign DIR/zone example.test {\nkey directory DIR\n}\n"
     "sign DIR/broken example.test {\nkey directory DIR\n}",
     "5:1: sign: the zone 'example.test.' is signed by another `sign`; remove one of them"},
    {"sign",
     "sign DIR/db.a.test.signed a.test {\nkey file DIR/Kexample.test.+013+58245\n"
     "directory DIR\n}",
     "2:6: sign: 'DIR/db.a.test.signed' is what signing writes; name the zone file without"},
    {"tsig", "tsig", ""},
    {"tsig", "tsig example.org {\nsecret a. AAAA\nsecret b. AAAA hmac-sha512\nrequire all\n}", ""},
    {"tsig", "tsig {\nsecrets DIR/keys\nrequire AXFR IXFR\n}", ""},
    {"tsig", "tsig {\nrequire none\n}", ""},
    {"tsig", "tsig {\nrequire_opcode notify UPDATE\n}", ""},
    {"tsig", "tsig {\nrequire_opcode DSO\n}", "3:16: tsig: require_opcode: 'DSO' is not"},
    {"transfer",
     "tsig {\nsecret a. AAAA\n}\nfile DIR/zone example.org\ntransfer example.org {\nto *\n"
     "key A\n}",
     ""},
    {"secondary",
     "tsig {\nsecret a. AAAA\n}\nsecondary x.org {\ntransfer from 127.0.0.9\nkey b.\n}",
     "7:5: secondary: key: 'b.' is not the name of a key; give it with `tsig { secret NAME KEY }`"},
    {"tsig", "tsig {\nsecret a.\n}",
     "3:1: tsig: secret: needs at least 2 arguments but has 1 argument; write `secret "},
    {"tsig", "tsig {\nsecret a. %%\n}", "3:1: tsig: secret: the secret of a key is not base64;"},
    {"tsig", "tsig {\nsecret a. AAAA hmac-md5\n}",
     "3:1: tsig: secret: the algorithm is not supported; choose from: hmac-sha1,"},
    {"tsig", "tsig {\nsecret a. AAAA\nsecret A. BBBB\n}",
     "4:1: tsig: secret: the key \"a.\" is given twice; remove one of them"},
    {"tsig", "tsig {\nsecrets DIR/none\n}",
     "3:9: tsig: secrets: 'DIR/none' cannot be read: No such file or directory"},
    {"tsig", "tsig {\nrequire\n}",
     "3:1: tsig: require: needs at least 1 argument but has none; write `require all|none|TYPE…`"},
    {"tsig", "tsig {\nrequire NONSENSE\n}", "3:9: tsig: require: 'NONSENSE' is not a type"},
    {"transfer", "transfer {\nto *\n}", ""},
    {"transfer",
     "file DIR/zone example.org\ntransfer example.org {\nto 127.0.0.1\nsource 127.0.0.1\n}", ""},
    {"transfer", "transfer",
     "2:1: transfer: 'to' is missing; say who may have the zones: 'to ADDRESS…', or 'to *'"},
    {"transfer", "transfer {\nto\n}",
     "3:1: transfer: to: needs at least 1 argument but has none; write `to ADDRESS…`"},
    {"transfer", "transfer {\nto nowhere..\n}",
     "3:4: transfer: to: 'nowhere..' is not an IP address with or without a port; write it like "
     "10.96.0.10, 10.96.0.10:53 or [fd00::10]:53"},
    {"transfer", "transfer {\nto *\nsource x\n}",
     "4:8: transfer: source: 'x' is not an IP address; write it like 10.96.0.10 or fd00::10"},
    {"transfer", "transfer {\nto *\nfrom 1.1.1.1\n}",
     "4:1: transfer: 'from' is not an option here; choose from:"},
    {"synthetic", "synthetic bench.test {\nclients 10.0.0.0/8\n}", ""},
    {"synthetic", "synthetic",
     "2:1: synthetic: needs at least 1 argument but has none; write `synthetic ZONE…`"},
    {"synthetic", "synthetic bench.test {\nclients x\n}",
     "3:9: synthetic: clients: 'x' is not a network; write it like 10.96.0.0/16 or "
     "fd00:10:96::/112"},
    {"synthetic", "synthetic bench.test {\nttl 3\n}",
     "3:1: synthetic: 'ttl' is not an option here; choose from:"},
    {"hosts", "hosts", ""},
    {"hosts",
     "hosts DIR/hosts example.org {\n192.0.2.1 a.example.org\nttl 60\nno_reverse\nreload "
     "5s\nfallthrough\nfallthrough_unsupported\n}",
     ""},
    {"hosts", "hosts DIR/hosts a..b",
     "2:17: hosts: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"hosts", "hosts {\nttl 0\n}",
     "3:5: hosts: ttl: '0' is not a valid number; write one from 1 to 65535"},
    {"hosts", "hosts {\nno_reverse on\n}",
     "3:12: hosts: no_reverse: 'on' is one argument too many; write `no_reverse`"},
    {"hosts", "hosts {\nreload soon\n}",
     "3:8: hosts: reload: 'soon' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"hosts", "hosts {\n192.0.2.1\n}",
     "3:1: hosts: 192.0.2.1: needs at least 1 argument but has none; write `ADDRESS NAME…`"},
    {"hosts", "hosts {\nfallthrough a..b\n}",
     "3:13: hosts: fallthrough: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"hosts", "hosts {\nfallthrough_unsupported\n}",
     "2:1: hosts: 'fallthrough_unsupported' needs 'fallthrough'; add it"},
    {"hosts", "hosts {\n10.0.0.300 a.example\n}",
     "3:1: hosts: 10.0.0.300: is not an IP address; write it like 10.96.0.10 or fd00::10"},
    {"hosts", "hosts {\nnearby a\n}", "3:1: hosts: 'nearby' is not an option here; choose from:"},
    {"gateways",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nsources istio "
     "ingress\nclass nginx\ningress 192.0.2.1\nany example.org\ninside 10.0.0.0/8\nttl "
     "60\nfallthrough\n}",
     ""},
    {"gateways",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nsources nginx\n}",
     "6:9: gateways: sources: 'nginx' is not a valid value here; choose from:"},
    {"gateways", "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nclass\n}",
     "6:1: gateways: class: needs at least 1 argument but has none; write `class NAME…`"},
    {"gateways",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\ningress here\n}",
     "6:9: gateways: ingress: 'here' is not an IP address; write it like 10.96.0.10 or fd00::10"},
    {"gateways", "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nany\n}",
     "6:1: gateways: any: needs at least 1 argument but has none; write `any ZONE…`"},
    {"gateways", "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\ninside x\n}",
     "6:8: gateways: inside: 'x' is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112"},
    {"gateways", "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nttl 3601\n}",
     "6:5: gateways: ttl: '3601' is not a valid number; write one from 0 to 3600"},
    {"gateways",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nfallthrough a..b\n}",
     "6:13: gateways: fallthrough: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"gateways", "kubernetes cluster.local {\nmanifests DIR/objects\n}\ngateways {\nhosts a\n}",
     "6:1: gateways: 'hosts' is not an option here; choose from:"},
    {"kubernetes",
     "kubernetes cluster.local in-addr.arpa {\nmanifests DIR/objects\nstrict\nservice_cidr "
     "10.96.0.0/16\npod_cidr 10.244.0.0/16\nttl 30\npods insecure\nnamespaces a b\nlabels "
     "app=web\nendpoint_pod_names\nignore empty_service\nfallthrough\nupstream\nresyncperiod "
     "5m\nnoendpoints\n}",
     ""},
    {"kubernetes",
     "kubernetes cluster.local {\nendpoint https://127.0.0.1:6443\ntls DIR/cert.pem DIR/key.pem "
     "DIR/cert.pem\nstartup_timeout 5s\nwatch_lease 10s\nsnapshot DIR/snapshot\napiserver_qps "
     "5\napiserver_burst 10\napiserver_max_inflight 2\nnamespace_labels team=a\n}",
     ""},
    {"kubernetes",
     "kubernetes cluster.local clusterset.local {\nkubeconfig DIR/kubeconfig\nmulticluster "
     "clusterset.local\n}",
     ""},
    {"kubernetes", "kubernetes cluster.local {\nmanifests DIR/objects\nzonal\n}", ""},
    {"kubernetes", "kubernetes {\nmanifests\n}",
     "3:1: kubernetes: manifests: needs at least 1 argument but has none; write `manifests PATH…`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/none\n}",
     "3:11: kubernetes: manifests: 'DIR/none' is neither a file nor a folder; name one that "
     "exists"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nstrict yes\n}",
     "4:8: kubernetes: strict: 'yes' is one argument too many; write `strict`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nservice_cidr x\n}",
     "4:14: kubernetes: service_cidr: 'x' is not a network; write it like 10.96.0.0/16 or "
     "fd00:10:96::/112"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\npod_cidr x\n}",
     "4:10: kubernetes: pod_cidr: 'x' is not a network; write it like 10.96.0.0/16 or "
     "fd00:10:96::/112"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nttl 3601\n}",
     "4:5: kubernetes: ttl: '3601' is not a valid number; write one from 0 to 3600"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\npods all\n}",
     "4:6: kubernetes: pods: 'all' is not a valid value here; choose from:"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nnamespaces\n}",
     "4:1: kubernetes: namespaces: needs at least 1 argument but has none; write `namespaces "
     "NAME…`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nlabels a=(\n}",
     "4:8: kubernetes: labels: 'a=(' is not a label selector: expected ',' between requirements"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nnamespace_labels\n}",
     "4:1: kubernetes: namespace_labels: needs at least 1 argument but has none; write "
     "`namespace_labels SELECTOR…`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nendpoint_pod_names on\n}",
     "4:20: kubernetes: endpoint_pod_names: 'on' is one argument too many; write "
     "`endpoint_pod_names`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nignore all\n}",
     "4:8: kubernetes: ignore: 'all' is not a valid value here; choose from:"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nzonal on\n}",
     "4:7: kubernetes: zonal: 'on' is one argument too many; write `zonal`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nnoendpoints on\n}",
     "4:13: kubernetes: noendpoints: 'on' is one argument too many; write `noendpoints`"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nfallthrough a..b\n}",
     "4:13: kubernetes: fallthrough: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\nmulticluster other.local\n}",
     "4:1: kubernetes: multicluster: the zone 'other.local.' is not one of the zones of this "
     "directive; add it there"},
    {"kubernetes", "kubernetes {\nkubeconfig\n}",
     "3:1: kubernetes: kubeconfig: needs at least 1 argument but has none; write `kubeconfig FILE "
     "[CONTEXT]`"},
    {"kubernetes", "kubernetes {\nendpoint ftp://x\n}",
     "3:10: kubernetes: endpoint: 'ftp://' is not the scheme of an API server; write "
     "https://HOST:PORT or http://HOST:PORT"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\ntls a\n}",
     "4:1: kubernetes: tls: needs 3 arguments but has 1 argument; write `tls CERT KEY CACERT`"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\nstartup_timeout x\n}",
     "4:17: kubernetes: startup_timeout: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\nwatch_lease 2m\n}",
     "4:13: kubernetes: watch_lease: '2m' is out of range; write a duration from 1s to 1m"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\nsnapshot\n}",
     "4:1: kubernetes: snapshot: needs 1 argument but has none; write `snapshot PATH`"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\napiserver_qps x\n}",
     "4:15: kubernetes: apiserver_qps: 'x' is not a valid number; write 0 or more"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\napiserver_burst x\n}",
     "4:17: kubernetes: apiserver_burst: 'x' is not a valid number; write 0 or more"},
    {"kubernetes", "kubernetes {\nendpoint https://127.0.0.1\napiserver_max_inflight x\n}",
     "4:24: kubernetes: apiserver_max_inflight: 'x' is not a valid number; write 0 or more"},
    {"kubernetes", "kubernetes {\nmanifests DIR/objects\npodz\n}",
     "4:1: kubernetes: 'podz' is not an option here; did you mean 'pods'?"},
    {"kubernetes", "kubernetes cluster.local {\nmanifests DIR/objects\nzonal\nnoendpoints\n}",
     "4:1: kubernetes: zonal: it answers from endpoints, which 'noendpoints' leaves out; remove "
     "one of them"},
    {"file", "file DIR/zone example.org {\nreload 10s\nreload_by_mtime\nfallthrough\nupstream\n}",
     ""},
    {"file", "file", "2:1: file: needs at least 1 argument but has none; write `FILE [ZONE…]`"},
    {"file", "file DIR/none example.org", ""},
    {"file", "file DIR/zone example.org {\nreload x\n}",
     "3:8: file: reload: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"file", "file DIR/zone example.org {\nreload_by_mtime on\n}",
     "3:17: file: reload_by_mtime: 'on' is one argument too many; write `reload_by_mtime`"},
    {"file", "file DIR/zone example.org {\nfallthrough a..b\n}",
     "3:13: file: fallthrough: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"file", "file DIR/zone example.org {\nrefresh 3s\n}",
     "3:1: file: 'refresh' is not an option here; choose from:"},
    {"file", "file DIR/broken example.org",
     "DIR/broken:1:1: file: 'nonsense' is not a type of records"},
    {"auto", "auto example.org {\ndirectory DIR/zones db\\.(.*) {1}\nreload 10s\nupstream\n}", ""},
    {"auto", "auto", "2:1: auto: 'directory DIR' is missing; say where the zone files are"},
    {"auto", "auto {\ndirectory\n}",
     "3:1: auto: directory: needs at least 1 argument but has none; write `directory DIR [REGEXP] "
     "[ORIGIN_TEMPLATE]`"},
    {"auto", "auto {\ndirectory DIR/zones ( {1}\n}",
     "3:21: auto: directory: '(' is not a regular expression: missing ): ("},
    {"auto", "auto {\ndirectory DIR/zones db\\.(.*)\n}",
     "3:21: auto: directory: 'db\\.(.*)' is an expression without a template; write 'directory DIR "
     "REGEXP ORIGIN_TEMPLATE', for example 'directory /zones db\\.(.*) {1}'"},
    {"auto", "auto {\ndirectory DIR/zones\nreload x\n}",
     "4:8: auto: reload: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"auto", "auto {\nfolder DIR\n}", "3:1: auto: 'folder' is not an option here; choose from:"},
    {"search", "kubernetes cluster.local {\nmanifests DIR/objects\n}\nsearch", ""},
    {"search", "search a.example b.example {\nndots 2\nclients 10.0.0.0/8\n}", ""},
    {"search", "search", ""},
    {"search", "search a..b",
     "2:8: search: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"search", "search a.example {\nndots 16\n}",
     "3:7: search: ndots: '16' is not a valid number; write one from 0 to 15"},
    {"search", "search a.example {\nclients x\n}",
     "3:9: search: clients: 'x' is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112"},
    {"search", "search a.example {\norder\n}",
     "3:1: search: 'order' is not an option here; choose from:"},
    {"forward", "forward . 127.0.0.1 {\nmixed_case on\n}", ""},
    {"forward", "forward . 127.0.0.1 {\nmixed_case off\n}", ""},
    {"forward", "forward . 127.0.0.1 {\nmixed_case yes\n}",
     "3:12: forward: mixed_case: 'yes' is not a valid value here; "},
    {"cache", "cache", ""},
    {"cache", "cache 30 example.org", ""},
    {"cache",
     "cache {\nsuccess 2000 60 5\ndenial 2000 30 5\nservfail 1s\ndisable success "
     "a.example\nkeepttl\n}",
     ""},
    {"cache", "cache 0", "2:7: cache: '0' is not a valid number; write one from 1 to 2147483647"},
    {"cache", "cache {\nsuccess few\n}",
     "3:9: cache: success: 'few' is not a valid number; write one from 0 to 4194304"},
    {"cache", "cache {\npair_prefetch\n}", ""},
    {"cache", "cache {\nmemory 64MiB\nnxdomain_cut\n}", ""},
    {"cache", "cache {\nsuccess 5000\nmemory 2048KiB\nnxdomain_cut example.org example.net\n}", ""},
    {"cache", "cache {\nmemory 64\n}",
     "3:8: cache: memory: '64' has no unit; write a number and KiB, MiB or GiB, like 64MiB"},
    {"cache", "cache {\nmemory 512KiB\n}",
     "3:8: cache: memory: '512' is not a valid number; write one from 1024 to 16777216"},
    {"cache", "cache {\nmemory 17GiB\n}",
     "3:8: cache: memory: '17' is not a valid number; write one from 1 to 16"},
    {"cache", "cache {\ndenial\n}",
     "3:1: cache: denial: needs at least 1 argument but has none; write `denial CAPACITY [TTL] "
     "[MINTTL]`"},
    {"cache", "cache {\nservfail 6m\n}",
     "3:10: cache: servfail: '6m' is out of range; write a duration from 0s to 5m"},
    {"cache", "cache {\ndisable all\n}",
     "3:9: cache: disable: 'all' is not a valid value here; choose from:"},
    {"cache", "cache {\nkeepttl yes\n}",
     "3:9: cache: keepttl: 'yes' is one argument too many; write `keepttl`"},
    {"cache",
     "cache {\nprefetch 10 1m 20%\nserve_stale 1h verify\nserve_stale_policy prefer_positive\n}",
     ""},
    {"cache", "cache {\nprefetch many\n}", "3:10: cache: prefetch: 'many' is not a valid number"},
    {"cache", "cache {\nprefetch 10 1m 95%\n}", "3:16: cache: prefetch: '95"},
    {"cache", "cache {\nserve_stale 1h never\n}", "3:16: cache: serve_stale: 'never' is not"},
    {"cache", "cache {\nserve_stale_policy prefer_positive\n}",
     "3:1: cache: serve_stale_policy: needs 'serve_stale' in the same block"},
    {"k8s_external",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\n"
     "k8s_external example.org {\napex dns\nttl 30\nheadless\nfallthrough\n}",
     ""},
    {"k8s_external", "k8s_external a..b", "2:14: k8s_external: 'a..b' is not a zone"},
    {"k8s_external",
     "kubernetes cluster.local {\nmanifests DIR/objects\n}\nk8s_external {\nttl x\n}",
     "6:5: k8s_external: ttl: 'x' is not a valid"},
    {"cache", "cache {\nsize 3\n}", "3:1: cache: 'size' is not an option here; choose from:"},
    {"loop", "loop", ""},
    {"loop", "loop fatal", ""},
    {"loop", "loop twice", "2:6: loop: 'twice' is not a valid value here; choose from:"},
    {"forward", "forward . 192.0.2.53", ""},
    {"forward",
     "forward . 192.0.2.53 DIR/resolv.conf {\nexcept a.example\nclients 10.0.0.0/8\npolicy "
     "sequential\nforce_tcp\nmax_concurrent 1000\nmax_fails 3\nhealth_check 5s no_rec domain "
     "example.org.\nread_timeout 2s\nmax_connect_attempts "
     "3\nfailfast_all_unhealthy_upstreams\nfailover SERVFAIL\nexpire 10s\nmax_age "
     "1m\nmax_idle_conns 5\n}",
     ""},
    {"forward", "forward . 192.0.2.53 {\npolicy latency\nhedge p95\n}", ""},
    {"forward", "forward . 192.0.2.53 {\nhedge off\n}", ""},
    {"forward", "forward . 192.0.2.53 {\nhedge 30ms\n}", ""},
    {"forward", "forward . 192.0.2.53 {\nhedge\n}", "3:1: forward: hedge:"},
    {"forward", "forward . 192.0.2.53 {\nhedge p100\n}",
     "3:7: forward: hedge: '100' is not a valid number; write one from 1 to 99"},
    {"forward", "forward . 192.0.2.53 {\nhedge soon\n}",
     "3:7: forward: hedge: 'soon' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"forward",
     "forward . 192.0.2.53 {\nprefer_udp\nnext NXDOMAIN\nnext_on_nodata\n}\nforward . 192.0.2.54",
     ""},
    {"forward", "forward",
     "2:1: forward: needs at least 2 arguments but has none; write `forward FROM TO…`"},
    {"forward", "forward .",
     "2:1: forward: needs at least 2 arguments but has 1 argument; write `forward FROM TO…`"},
    {"forward", "forward a..b 192.0.2.53",
     "2:9: forward: 'a..b' is not a zone: a label is empty; remove the extra dot"},
    {"forward", "forward . 192.0.2.53:0",
     "2:11: forward: '192.0.2.53:0': '0' is not a valid port; write a number from 1 to 65535"},
    {"forward", "forward . 192.0.2.53 {\nexcept\n}",
     "3:1: forward: except: needs at least 1 argument but has none; write `except ZONE…`"},
    {"forward", "forward . 192.0.2.53 {\nclients x\n}",
     "3:9: forward: clients: 'x' is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112"},
    {"forward", "forward . 192.0.2.53 {\npolicy best\n}",
     "3:8: forward: policy: 'best' is not a valid value here; choose from:"},
    {"forward", "forward . 192.0.2.53 {\nforce_tcp on\n}",
     "3:11: forward: force_tcp: 'on' is one argument too many; write `force_tcp`"},
    {"forward", "forward . 192.0.2.53 {\nprefer_udp on\n}",
     "3:12: forward: prefer_udp: 'on' is one argument too many; write `prefer_udp`"},
    {"forward", "forward . 192.0.2.53 {\nmax_concurrent x\n}",
     "3:16: forward: max_concurrent: 'x' is not a valid number; write one from 0 to 1000000"},
    {"forward", "forward . 192.0.2.53 {\nmax_fails x\n}",
     "3:11: forward: max_fails: 'x' is not a valid number; write one from 0 to 1000"},
    {"forward", "forward . 192.0.2.53 {\nhealth_check x\n}",
     "3:14: forward: health_check: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"forward", "forward . 192.0.2.53 {\nread_timeout x\n}",
     "3:14: forward: read_timeout: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"forward", "forward . 192.0.2.53 {\nmax_connect_attempts x\n}",
     "3:22: forward: max_connect_attempts: 'x' is not a valid number; write one from 0 to 1000"},
    {"forward", "forward . 192.0.2.53 {\nfailfast_all_unhealthy_upstreams on\n}",
     "3:34: forward: failfast_all_unhealthy_upstreams: 'on' is one argument too many; write "
     "`failfast_all_unhealthy_upstreams`"},
    {"forward", "forward . 192.0.2.53 {\nfailover NOPE\n}",
     "3:10: forward: failover: 'NOPE' is not an rcode that counts here; write, for example, "
     "SERVFAIL, NXDOMAIN or REFUSED"},
    {"forward", "forward . 192.0.2.53 {\nnext NOPE\n}",
     "3:6: forward: next: 'NOPE' is not an rcode that counts here; write, for example, SERVFAIL, "
     "NXDOMAIN or REFUSED"},
    {"forward", "forward . 192.0.2.53 {\nnext_on_nodata on\n}",
     "3:16: forward: next_on_nodata: 'on' is one argument too many; write `next_on_nodata`"},
    {"forward", "forward . 192.0.2.53 {\nexpire x\n}",
     "3:8: forward: expire: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"forward", "forward . 192.0.2.53 {\nmax_age x\n}",
     "3:9: forward: max_age: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"forward", "forward . 192.0.2.53 {\nmax_idle_conns x\n}",
     "3:16: forward: max_idle_conns: 'x' is not a valid number; write one from 0 to 1000000"},
    {"forward", "forward . 192.0.2.53 {\nmaxfails 3\n}",
     "3:1: forward: 'maxfails' is not an option here; did you mean 'max_fails'?"},
    {"forward",
     "forward . tls://192.0.2.53 tls://192.0.2.54 {\ntls\ntls_servername "
     "dns.example\n}",
     ""},
    {"forward", "forward . 192.0.2.53 {\nsource_address 127.0.0.1\nresolver 192.0.2.1:53\n}", ""},
    {"forward", "forward . tls://192.0.2.53 {\ntls DIR/none.pem DIR/none.key\n}", "3:"},
    {"forward", "forward . tls://192.0.2.53 {\ntls_servername a..b\n}",
     "3:16: forward: tls_servername:"},
    {"forward", "forward . 192.0.2.53 {\nsource_address here\n}", "3:16: forward: source_address:"},
    {"forward", "forward . 192.0.2.53 {\nresolver\n}", "3:1: forward: resolver:"},
    {"secondary", "secondary example.org {\ntransfer from 192.0.2.1\nfallthrough\n}", ""},
    {"secondary", "secondary example.org {\n}", "2:1: secondary:"},
    {"secondary", "secondary example.org {\ntransfer to 192.0.2.1\n}",
     "3:10: secondary: transfer:"},
    {"secondary", "secondary example.org {\ntransfer from 192.0.2.1\nfallthrough a..b\n}",
     "4:13: secondary: fallthrough:"},
    {"proxy",
     "proxy . 192.0.2.53 {\npolicy first\nfail_timeout 1s\nmax_fails 1\nmax_conns 5\nhealth_check "
     "/x\nexcept a.example\nspray\nprotocol dns force_tcp\nupstream a\n}",
     ""},
    {"proxy", "proxy",
     "2:1: proxy: needs at least 2 arguments but has none; write `forward FROM TO…`"},
    {"proxy", "proxy . 192.0.2.53 {\npolicy best\n}",
     "3:8: proxy: policy: 'best' is not a valid value here; choose from:"},
    {"proxy", "proxy . 192.0.2.53 {\nmax_fails x\n}",
     "3:11: proxy: max_fails: 'x' is not a valid number; write one from 0 to 1000"},
    {"proxy", "proxy . 192.0.2.53 {\nexcept\n}",
     "3:1: proxy: except: needs at least 1 argument but has none; write `except ZONE…`"},
    {"proxy", "proxy . 192.0.2.53 {\nprotocol grpc\n}",
     "3:10: proxy: protocol: 'grpc' is a protocol that is not supported yet"},
    {"proxy", "proxy . 192.0.2.53 {\nfail_timeout 1s 2s\n}",
     "3:17: proxy: fail_timeout: '2s' is one argument too many; write `fail_timeout [DURATION]`"},
    {"proxy", "proxy . 192.0.2.53 {\nmax_conns 1 2\n}",
     "3:13: proxy: max_conns: '2' is one argument too many; write `max_conns [N]`"},
    {"proxy", "proxy . 192.0.2.53 {\nspray on\n}",
     "3:7: proxy: spray: 'on' is one argument too many; write `spray`"},
    {"proxy", "proxy . 192.0.2.53 {\nnope\n}",
     "3:1: proxy: 'nope' is not an option here; choose from:"},
    {"erratic", "erratic", ""},
    {"erratic", "erratic {\ndrop 3\ntruncate 2\ndelay 2 10ms\nlarge\n}", ""},
    {"etcd", "etcd", ""},
    {"etcd",
     "etcd skydns.local 10.0.0.0/24 {\npath /skydns\nendpoint http://localhost:2379 "
     "https://[2001:db8::1]:2379\ncredentials me secret\ntls DIR/cert.pem DIR/key.pem "
     "DIR/cert.pem\nmin-lease-ttl 60\nmax-lease-ttl 1h30m\nfallthrough in-addr.arpa\nstubzones\n"
     "debug\nupstream\n}",
     ""},
    {"etcd", "etcd {\npath\n}",
     "3:1: etcd: path: needs 1 argument but has none; write `path PATH`"},
    {"etcd", "etcd {\nendpoint ftp://a\n}", "3:10: etcd: endpoint: 'ftp://' is not the scheme"},
    {"etcd", "etcd {\ncredentials me\n}",
     "3:1: etcd: credentials: needs 2 arguments but has 1 argument; write `credentials USERNAME "
     "PASSWORD`"},
    {"etcd", "etcd {\nendpoint https://a:1\ntls DIR/none\n}", "4:5: etcd: tls: "},
    {"etcd", "etcd {\nmin-lease-ttl soon\n}",
     "3:15: etcd: min-lease-ttl: 'soon' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"etcd", "etcd {\nmin-lease-ttl 2h\nmax-lease-ttl 60\n}",
     "2:1: etcd: has a `min-lease-ttl` above its `max-lease-ttl`"},
    {"etcd", "etcd {\nwatch\n}", "3:1: etcd: 'watch' is not an option here; choose from:"},
    {"erratic", "erratic on", ""},
    {"erratic", "erratic {\ndrop x\n}",
     "3:6: erratic: drop: 'x' is not a valid number; write one from 0 to 2147483647"},
    {"erratic", "erratic {\ntruncate x\n}",
     "3:10: erratic: truncate: 'x' is not a valid number; write one from 0 to 2147483647"},
    {"erratic", "erratic {\ndelay 2 x\n}",
     "3:9: erratic: delay: 'x' is not a duration; write it like 5s, 1m30s or 100ms"},
    {"erratic", "erratic {\nlarge on\n}",
     "3:7: erratic: large: 'on' is one argument too many; write `large`"},
    {"erratic", "erratic {\nlie\n}", "3:1: erratic: 'lie' is not an option here; choose from:"},
    {"tls", "!tls://.:10853 {\ntls DIR/cert.pem DIR/key.pem {\nclient_auth nocert\n}\nwhoami\n}",
     ""},
    {"tls", "!tls://.:10853 {\ntls DIR/cert.pem\n}", "2:1: tls: needs"},
    {"tls", "!tls://.:10853 {\ntls DIR/none.pem DIR/key.pem\n}", "2:"},
    {"tls", "!tls://.:10853 {\ntls DIR/cert.pem DIR/key.pem {\nclient_auth maybe\n}\n}",
     "3:13: tls: client_auth: 'maybe' is not a valid value here; choose from:"},
    {"https", "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps\nwhoami\n}", ""},
    {"https",
     "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps {\nmax_connections 0\nmax_streams "
     "100\n}\nwhoami\n}",
     ""},
    {"https", "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps on\n}",
     "3:7: https: 'on' is one argument too many; write `https`"},
    {"https", "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps {\nmax_connections -1\n}\n}",
     "4:17: https: max_connections: '-1' is not a valid number; write one from 0 to 4294967295"},
    {"https", "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps {\nmax_streams x\n}\n}",
     "4:13: https: max_streams: 'x' is not a valid number; write one from 0 to 4294967295"},
    {"https",
     "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps {\nmax_streams 1\nmax_streams "
     "2\n}\n}",
     "5:1: https: max_streams:"},
    {"https", "!https://.:10443 {\ntls DIR/cert.pem DIR/key.pem\nhttps {\npath /\n}\n}",
     "4:1: https: 'path' is not an option here; choose from:"},
    {"whoami", "whoami", ""},
    {"whoami", "whoami really", "2:8: whoami: 'really' is one argument too many; write `whoami`"},
    {"view", "view v {\nexpr type() == 'A'\n}", ""},
    {"view", "view", "2:1: view: needs 1 argument but has none; write `view NAME`"},
    {"view", "view v {\nexpr 1 +\n}",
     "3:6: view: expr: '1 +' is not an expression: unexpected end (1:4)"},
    {"view", "view v {\nexpr nope()\n}",
     "3:6: view: expr: 'nope()' is not an expression: unknown function nope (1:1)"},
    {"view", "view v {\nif x\n}", "3:1: view: 'if' is not an option here; choose from:"},
};

class Grammar : public ::testing::Test {
 protected:
  Grammar() {
    folder_.write("token", "of-sixteen-octets-and-more\n");
    const auto identity = registry::kubernetes::testing::make_identity(-1, 30);
    folder_.write("cert.pem", identity.certificate);
    folder_.write("key.pem", identity.key);
    const std::string web = "tls_server_config: {cert_file: cert.pem, key_file: key.pem";
    folder_.write("web.yaml", web +
                                  ", client_auth_type: RequireAndVerifyClientCert, "
                                  "client_ca_file: cert.pem, min_version: TLS12}\n");
    folder_.write("web-passwords.yaml", web + "}\nbasic_auth_users: {me: x}\n");
    folder_.write("web-nobody.yaml", web + ", client_auth_type: VerifyClientCertIfGiven}\n");
    folder_.write("hosts", "192.0.2.1 a\n");
    folder_.write("resolv.conf", "nameserver 192.0.2.53\nsearch example.org\n");
    unit::write_city_database(folder_ / "city.mmdb");
    folder_.write("Kexample.test.+013+58245.key", unit::kP256Ksk.public_half);
    folder_.write("Kexample.test.+013+58245.private", unit::kP256Ksk.private_half);
    ::chmod((folder_ / "Kexample.test.+013+58245.private").c_str(), 0600);
    folder_.write("Kexample.test.+013+44228.key", unit::kP256Zsk.public_half);
    folder_.write("Kexample.test.+013+44228.private", unit::kP256Zsk.private_half);
    ::chmod((folder_ / "Kexample.test.+013+44228.private").c_str(), 0600);
    folder_.write("keys", "key file.key { secret AAAA; };\n");
    folder_.write("weights", "a.example.org\n192.0.2.1 3\n");
    const std::string zone = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n";
    folder_.write("zone", zone);
    folder_.write("zones/db.example.org", zone);
    folder_.write("broken", "@ nonsense\n");
    folder_.write("scenario", "rules: [{rule: a, do: [servfail]}]\n");
    folder_.write("objects/a.yaml",
                  "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
                  "spec: {ports: [{port: 80}], selector: {app: a}}\n");
    folder_.write("kubeconfig",
                  "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                  "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:6443'}}]\n"
                  "users: [{name: a, user: {}}]\n"
                  "contexts: [{name: a, context: {cluster: a, user: a}}]\n");
  }

  static std::string text_of(std::string_view text) {
    if (text.starts_with('!')) return std::string(text.substr(1)) + "\n";
    return ".:1053 {\n" + std::string(text) + "\n}\n";
  }

  // The first error of a Corefile with this in its block, without the file's name; empty: none.
  std::string error_of(std::string_view text) {
    std::string whole = text_of(text);
    for (auto at = whole.find("DIR"); at != std::string::npos; at = whole.find("DIR", at + 1)) {
      whole.replace(at, 3, folder_.path());
    }
    Problems problems;
    const Corefile corefile = parse_corefile(whole, folder_ / "Corefile", {}, problems);
    check_corefile(corefile, 1053, CheckPlace::Here, problems);
    for (const Problem& problem : problems.sorted()) {
      if (!problem.is_error()) continue;
      // As if the folder had the name DIR: places behind it on a line, too.
      Problem at = problem;
      const std::string_view name = "DIR";
      std::istringstream lines(text_of(text));
      std::string line;
      for (std::uint32_t i = 0; i < at.line; ++i) std::getline(lines, line);
      for (auto dir = line.find(name); dir != std::string::npos; dir = line.find(name, dir + 1)) {
        const auto longer = static_cast<std::uint32_t>(folder_.path().size() - name.size());
        if (at.file.ends_with("Corefile") && dir + 1 + longer < at.column) {
          at.column -= longer;
        }
      }
      std::string said = folder_.strip(to_string(at));
      constexpr std::string_view kFile = "DIR/Corefile:";
      return said.starts_with(kFile) ? said.substr(kFile.size()) : said;
    }
    return {};
  }

  Folder folder_;
};

TEST_F(Grammar, OfEachDirective) {
  for (const Case& example : kCases) {
    const std::string said = error_of(example.text);
    if (example.error.empty()) {
      EXPECT_EQ(said, "") << example.text;
    } else {
      EXPECT_EQ(said.substr(0, example.error.size()), example.error) << example.text;
    }
  }
}

// A new directive or option comes with its cases.
TEST(GrammarCases, AreThereForEachDirectiveAndOption) {
  std::set<std::string, std::less<>> taken, refused;  // "DIRECTIVE" and "DIRECTIVE OPTION"
  for (const Case& example : kCases) {
    auto& seen = example.error.empty() ? taken : refused;
    seen.emplace(example.directive);
    std::istringstream lines{std::string(example.text)};
    for (std::string line; std::getline(lines, line);) {
      seen.insert(std::string(example.directive) + " " + line.substr(0, line.find(' ')));
    }
  }
  for (const DirectiveSpec& spec : directives()) {
    if (!spec.built) continue;
    EXPECT_TRUE(taken.contains(spec.name)) << spec.name;
    if (spec.taken_only) continue;
    // Which takes any words.
    if (spec.name != "chaos") {
      EXPECT_TRUE(refused.contains(spec.name)) << spec.name;
    }
    if (spec.options == nullptr) continue;
    for (const Option& option : spec.options()) {
      if (option.kind == Option::Kind::Later) continue;
      const std::string name = std::string(spec.name) + " " + std::string(option.name);
      EXPECT_TRUE(taken.contains(name) || refused.contains(name)) << name;
    }
  }
}

}  // namespace
}  // namespace clusterdns::app
