// The console's HTTP server and its API, from outside.
#include "fixture.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Console : public Integration {
 protected:
  // The port of the console, once the server has said it.
  std::uint16_t port() {
    const std::string mark = "the console on http://";
    std::uint16_t found = 0;
    EXPECT_TRUE(until(
        [&] {
          const std::string log = server_->output();
          const std::size_t at = log.find(mark);
          if (at == std::string::npos) return false;
          const std::size_t end = log.find('/', at + mark.size());
          const std::size_t colon = log.rfind(':', end);
          if (end == std::string::npos) return false;
          found = static_cast<std::uint16_t>(std::stoi(log.substr(colon + 1, end - colon - 1)));
          return true;
        },
        std::chrono::seconds(60)))
        << server_->output();
    return found;
  }
  class Connection {
   public:
    explicit Connection(std::uint16_t port)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const timeval patience{60, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { ::close(fd_); }
    void send(const std::string& text) const {
      EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(text.size()));
    }
    // All up to `end`; without one, up to the end of the connection.
    std::string read(const std::string& end = "") {
      std::string all;
      std::array<char, 16384> buffer;
      while (end.empty() || all.find(end) == std::string::npos) {
        const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (n <= 0) break;
        all.append(buffer.data(), static_cast<std::size_t>(n));
      }
      return all;
    }

   private:
    int fd_;
  };
  // A whole reply; `headers` end with CRLF each.
  std::string ask(const std::string& method, const std::string& target,
                  const std::string& headers = "", const std::string& body = "") {
    Connection connection(port_ != 0 ? port_ : port_ = port());
    connection.send(
        method + " " + target + " HTTP/1.1\r\n" +
        (headers.find("Host:") == std::string::npos ? "Host: localhost\r\n" : "") + headers +
        (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") +
        "Connection: close\r\n\r\n" + body);
    return connection.read();
  }
  std::string get(const std::string& path, const std::string& headers = "") {
    return ask("GET", "/api/v1/" + path, headers);
  }
  void serve_with_console(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--console", "127.0.0.1:0"});
    serve(std::move(more));
  }
  RunResult run_clusterdns(std::vector<std::string> arguments) {
    return run(ProcessOptions{.arguments = std::move(arguments)}, std::chrono::seconds(60));
  }

  std::uint16_t port_ = 0;
};

TEST_F(Console, Status) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_with_console();
  EXPECT_THAT(get("status"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: application/json\r\n"),
                    HasSubstr("Content-Security-Policy: default-src 'none'"),
                    HasSubstr("X-Content-Type-Options: nosniff\r\n"), HasSubstr("\"ready\":true"),
                    HasSubstr("\"kind\":\"manifests\",\"in_sync\":true"), Not(HasSubstr("ETag"))));
}

TEST_F(Console, SetupTakesZonesHostsAndAddress) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  manifests_.write("b.yaml", R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  rules: [{host: shop.example.com}, {host: "*.apps.example.com"}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}
)");
  serve_with_console();
  const std::string url = "http://127.0.0.1:" + std::to_string(port());
  const TempDir root;
  const RunResult done = run_clusterdns(
      {"setup", "--console", url, "--backend", "dnsmasq", "--root", root.path().string(), "--yes"});
  ASSERT_EQ(done.exit_code, 0) << done.standard_error;
  const std::string file = read_file(root / "etc/dnsmasq.d/clusterdns.conf");
  const std::string to = "/127.0.0.1#" + std::to_string(endpoint().port) + "\n";
  EXPECT_THAT(file, AllOf(HasSubstr("server=/cluster.local" + to),
                          HasSubstr("server=/shop.example.com" + to),
                          HasSubstr("server=/apps.example.com" + to)));
  const RunResult undone = run_clusterdns({"unsetup", "--root", root.path().string(), "--yes"});
  EXPECT_EQ(undone.exit_code, 0) << undone.standard_error;
  EXPECT_TRUE(std::filesystem::is_empty(root.path()));
}

TEST_F(Console, LatenciesAndTheirHistory) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_with_console();
  EXPECT_THAT(get("history"), HasSubstr("\"span_s\":9E2,\"interval_s\":1E0,\"items\":["));
  std::string status, history;
  EXPECT_TRUE(until(
      [&] {
        EXPECT_EQ(addresses("web.default.svc.cluster.local").size(), 1u);
        status = get("status");
        return status.find("\"p50_ms\":null") == std::string::npos &&
               status.find("\"p99_ms\":null") == std::string::npos;
      },
      std::chrono::seconds(60)))
      << status;
  EXPECT_THAT(status, HasSubstr("\"cache_hit_ratio\":null"));
  const auto measured = [&] {
    history = get("history");
    std::size_t at = history.find("\"p50_ms\":");
    while (at != std::string::npos && history.compare(at, 13, "\"p50_ms\":nul") == 0) {
      at = history.find("\"p50_ms\":", at + 1);
    }
    return at != std::string::npos;
  };
  EXPECT_TRUE(until(measured, std::chrono::seconds(60))) << history;
}

TEST_F(Console, PathsAndMethods) {
  serve_with_console();
  EXPECT_THAT(ask("GET", "/"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("text/html"),
                                     HasSubstr("<title>clusterdns</title>")));
  EXPECT_THAT(ask("GET", "/nothing"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("application/problem+json")));
  EXPECT_THAT(get("nothing"), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("\"status\":404")));
  EXPECT_THAT(ask("PUT", "/api/v1/status"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"),
                    HasSubstr("\"status\":405")));
  EXPECT_THAT(ask("OPTIONS", "/api/v1/status"),
              AllOf(StartsWith("HTTP/1.1 204 "), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n")));
  EXPECT_THAT(ask("HEAD", "/api/v1/status"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
}

TEST_F(Console, HostsAndOrigins) {
  serve_with_console();
  EXPECT_THAT(get("status", "Host: attacker.example\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(get("status", "Host: 127.0.0.1:80\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("status", "Host: a b\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(get("status", "Host: localhost\r\nHost: localhost\r\n"), StartsWith("HTTP/1.1 400 "));
  // The Host comes first, then the path, then who may change something.
  EXPECT_THAT(get("nothing", "Host: attacker.example\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(ask("POST", "/api/v1/reload"),
              AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("allow_edit")));
  EXPECT_THAT(ask("POST", "/api/v1/reload", "Origin: null\r\n"),
              AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("origin")));
}

TEST_F(Console, Tokens) {
  const auto token = directory_.write("token", "s3cret\n");
  serve_corefile(".:0 {\n bind 127.0.0.1\n whoami\n console 127.0.0.1:0 {\n  token " +
                 token.string() + "\n  allow_edit\n }\n}\n");
  EXPECT_THAT(get("status"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(get("nothing"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("status", "Authorization: Bearer wrong\r\n"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(get("status", "Authorization: Bearer s3cret\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/"),
              AllOf(StartsWith("HTTP/1.1 401 "), HasSubstr("<form method=\"post\"")));
  const std::string in =
      ask("POST", "/login", "Content-Type: application/x-www-form-urlencoded\r\n", "token=s3cret");
  EXPECT_THAT(in, AllOf(StartsWith("HTTP/1.1 303 "), HasSubstr("Location: /\r\n")));
  const std::size_t at = in.find("Set-Cookie: ") + 12;
  const std::string cookie = in.substr(at, in.find(';', at) - at);
  EXPECT_THAT(get("status", "Cookie: " + cookie + "\r\n"), StartsWith("HTTP/1.1 200 "));
  // A session goes on over a reload.
  EXPECT_THAT(ask("POST", "/api/v1/reload", "Cookie: " + cookie + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"error\":null")));
  EXPECT_THAT(get("config", "Cookie: " + cookie + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("whoami"), Not(HasSubstr("s3cret"))));
  for (int i = 0; i < 9; ++i) (void)get("status", "Authorization: Bearer wrong\r\n");
  EXPECT_THAT(get("status", "Authorization: Bearer wrong\r\n"), StartsWith("HTTP/1.1 429 "));
}

TEST_F(Console, OthersNeedAToken) {
  const RunResult result = run_clusterdns({"serve", "--manifests", manifests_.path().string(),
                                           "--listen", "127.0.0.1:0", "--console", "0.0.0.0:0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.standard_error, AllOf(HasSubstr("console"), HasSubstr("token FILE")));
}

TEST_F(Console, ADefaultPortThatIsTakenIsLeft) {
  // Whoever has port 5380 here, the test or somebody else: the server starts.
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(5380);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) ::listen(fd, 1);
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_corefile(
      ".:0 {\n bind 127.0.0.1\n kubernetes cluster.local {\n  manifests %M\n }\n console\n}\n");
  EXPECT_EQ(addresses("web.default.svc.cluster.local"), std::vector<std::string>{"10.96.4.1"});
  EXPECT_TRUE(
      until([&] { return server_->output().find("without a console") != std::string::npos; },
            std::chrono::seconds(60)))
      << server_->output();
  ::close(fd);
}

TEST_F(Console, ServicesInPages) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.4.1") + "---\n" +
                                 service_yaml("b", "10.96.4.2") + "---\n" +
                                 service_yaml("c", "10.96.4.3", "other") + "---\n" +
                                 headless_yaml("d", {"10.1.1.1"}, "other"));
  serve_with_console();
  EXPECT_THAT(get("services"),
              AllOf(HasSubstr("\"total\":4"), HasSubstr("\"next\":null"),
                    HasSubstr("\"name\":\"a\""), HasSubstr("\"state\":\"no endpoints\"")));
  EXPECT_THAT(get("services?limit=2"),
              AllOf(HasSubstr("\"total\":4"), HasSubstr("\"next\":\"default/b\"")));
  EXPECT_THAT(
      get("services?limit=2&cursor=default/b"),
      AllOf(HasSubstr("\"name\":\"c\""), HasSubstr("\"name\":\"d\""), HasSubstr("\"next\":null")));
  EXPECT_THAT(
      get("services?kind=headless"),
      AllOf(HasSubstr("\"total\":1"), HasSubstr("\"name\":\"d\""), HasSubstr("\"state\":\"ok\"")));
  EXPECT_THAT(get("services?namespace=other&q=10.96"),
              AllOf(HasSubstr("\"total\":1"), HasSubstr("\"name\":\"c\"")));
  EXPECT_THAT(get("services?limit=0"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("limit")));
  EXPECT_THAT(get("services?namespace=A%20B"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("namespace")));
  EXPECT_THAT(get("services?unknown=1"), StartsWith("HTTP/1.1 200 "));
  // The same again costs nothing.
  const std::string reply = get("services");
  const std::size_t at = reply.find("ETag: ") + 6;
  const std::string tag = reply.substr(at, reply.find("\r\n", at) - at);
  EXPECT_THAT(get("services", "If-None-Match: " + tag + "\r\n"), StartsWith("HTTP/1.1 304 "));
}

TEST_F(Console, ExplainOfARunningServer) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_with_console();
  EXPECT_THAT(get("explain?name=web"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"data\":\"10.96.4.1\""),
                    HasSubstr("\"stage\":\"search\""), HasSubstr("\"kind\":\"Service\"")));
  EXPECT_THAT(get("explain"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("name")));
  EXPECT_THAT(get("explain?name=a..b"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("name")));
  EXPECT_THAT(get("explain?name=a&type=NOTYPE"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("type")));
  EXPECT_THAT(get("explain?name=a&client=x"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("client")));
  const std::string url = "http://127.0.0.1:" + std::to_string(port_);
  // The same words as of the manifests themselves.
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"web.default.svc.cluster.local"},
                                             {"web", "--namespace", "default"},
                                             {"nothing.default.svc.cluster.local"},
                                             {"web.default.svc.cluster.local", "AAAA"},
                                             {"web.default.svc.cluster.local", "-o", "json"},
                                             {"10.96.4.1"}}) {
    std::vector<std::string> there{"explain"};
    there.insert(there.end(), words.begin(), words.end());
    std::vector<std::string> here = there;
    there.insert(there.end(), {"--server", url});
    here.insert(here.end(), {"--manifests", manifests_.path().string()});
    const RunResult one = run_clusterdns(there);
    const RunResult two = run_clusterdns(here);
    EXPECT_EQ(one.standard_output, two.standard_output) << words[0] << one.standard_error;
    EXPECT_EQ(one.exit_code, two.exit_code) << words[0];
  }
  const RunResult none = run_clusterdns({"explain", "web", "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.standard_error, HasSubstr("http://127.0.0.1:1"));
}

// Who outside gave an answer, and how old what is kept is.
TEST_F(Console, ExplainNamesTheUpstreamAndTheAge) {
  ScriptedUpstream upstream([](const ScriptedUpstream::Exchange& exchange) {
    return reply_to(
        exchange.query,
        {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.1")});
  });
  serve_corefile(".:0 {\n    bind 127.0.0.1\n    console 127.0.0.1:0\n    cache\n    forward . " +
                 upstream.endpoint().text() + "\n}\n");
  EXPECT_THAT(
      get("explain?name=www.example.com."),
      AllOf(HasSubstr("\"stage\":\"forward\""),
            HasSubstr("\"upstream\":\"" + upstream.endpoint().text() + "\",\"age_s\":null")));
  EXPECT_THAT(get("explain?name=www.example.com."),
              AllOf(HasSubstr("\"stage\":\"cache\""), HasSubstr("\"upstream\":null,\"age_s\":")));
  const RunResult shown = run_clusterdns(
      {"explain", "www.example.com.", "--server", "http://127.0.0.1:" + std::to_string(port_)});
  EXPECT_THAT(shown.standard_output, HasSubstr("answer: NOERROR by cache, kept for "));
}

TEST_F(Console, ChangesAsTheyCome) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_with_console();
  Connection stream(port());
  stream.send(
      "GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n");
  EXPECT_THAT(stream.read("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("application/x-ndjson")));
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.2"));
  EXPECT_THAT(stream.read("}"),
              AllOf(HasSubstr("\"kind\":\"Service\",\"namespace\":\"default\",\"name\":\"web\""),
                    HasSubstr("\"what\":[\"clusterIP: 10.96.4.1 -> 10.96.4.2\"]")));
  manifests_.write("b.yaml", headless_yaml("d", {"10.1.1.1"}));
  EXPECT_THAT(stream.read("Endpoints"),
              AllOf(HasSubstr("\"change\":\"added\""), HasSubstr("\"kind\":\"Service\"")));
}

TEST_F(Console, QueriesAsTheyCome) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  serve_with_console();
  {
    Connection stream(port());
    stream.send("GET /api/v1/queries HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(stream.read(":\n\n"), HasSubstr("text/event-stream"));
    (void)Integration::ask("web.default.svc.cluster.local");
    EXPECT_THAT(stream.read("\"ms\":"),
                AllOf(HasSubstr("data: {\"time\":"), HasSubstr("\"client\":\"127.0.0.1\""),
                      HasSubstr("\"name\":\"web.default.svc.cluster.local.\""),
                      HasSubstr("\"type\":\"A\",\"rcode\":\"NOERROR\"")));
  }
  // And again, after the last one has gone.
  Connection stream(port());
  stream.send("GET /api/v1/queries HTTP/1.1\r\nHost: localhost\r\n\r\n");
  (void)stream.read(":\n\n");
  (void)Integration::ask("no.default.svc.cluster.local");
  EXPECT_THAT(stream.read("\"ms\":"), HasSubstr("\"rcode\":\"NXDOMAIN\""));
}

TEST_F(Console, StreamsAreBounded) {
  serve_with_console();
  const std::uint16_t at = port();
  std::vector<std::unique_ptr<Connection>> streams;
  for (int i = 0; i < 64; ++i) {
    streams.push_back(std::make_unique<Connection>(at));
    streams.back()->send("GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_THAT(streams.back()->read("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(get("queries"), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: ")));
  EXPECT_THAT(get("status"), StartsWith("HTTP/1.1 200 "));
  streams.clear();
  // Their places are free again.
  EXPECT_TRUE(until(
      [&] {
        Connection stream(at);
        stream.send("GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return stream.read("\r\n\r\n").starts_with("HTTP/1.1 200 ");
      },
      std::chrono::seconds(60)));
}

TEST_F(Console, WaitsForAName) {
  serve_with_console();
  EXPECT_THAT(get("wait?name=web&timeout=0"), AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("web")));
  EXPECT_THAT(get("wait?name=web&timeout=11m"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("timeout")));
  Connection waiting(port());
  waiting.send(
      "GET /api/v1/wait?name=web&address=10.96.4.2&timeout=60 HTTP/1.1\r\nHost: localhost\r\n"
      "Connection: close\r\n\r\n");
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.1"));
  EXPECT_THAT(get("wait?name=web&timeout=60s"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"data\":\"10.96.4.1\"")));
  manifests_.write("a.yaml", service_yaml("web", "10.96.4.2"));
  EXPECT_THAT(waiting.read(),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"data\":\"10.96.4.2\"")));
}

TEST_F(Console, EvidenceScenariosAndSeedOfATarget) {
  serve_with_console({"--target"});
  EXPECT_EQ(ask_tcp(endpoint(), Query{.name = "www.bench.test"}).rcode, 0);
  EXPECT_THAT(get("evidence"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("www.bench.test.")));
  EXPECT_THAT(get("evidence?type=NOTHING"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("is not a record type")));
  EXPECT_THAT(ask("DELETE", "/api/v1/evidence"), StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(get("evidence"), Not(HasSubstr("www.bench.test.")));
  EXPECT_THAT(ask("PUT", "/api/v1/seed", "", "{\"seed\": 7}"), StartsWith("HTTP/1.1 20"));
  EXPECT_THAT(get("seed"), HasSubstr("7"));
  EXPECT_THAT(ask("PUT", "/api/v1/seed", "Origin: http://evil.example\r\n", "{\"seed\": 8}"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(get("scenarios"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"scenarios\":")));
  EXPECT_THAT(ask("PUT", "/api/v1/scenarios/bad", "", "rules: ["), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET", "/api/v1/scenarios/none"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: ")));
}

TEST_F(Console, WithoutATargetThereIsNoEvidence) {
  serve_with_console();
  EXPECT_THAT(get("evidence"), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("`evidence`")));
}

}  // namespace
}  // namespace clusterdns::test
