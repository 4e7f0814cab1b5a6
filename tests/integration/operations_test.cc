// /health, /ready, /metrics; log and error lines.
#include <gmock/gmock.h>

#include "integration/fixture.h"
#include "support/http_client.h"

namespace clusterdns::test {
namespace {

class Operations : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("a", "10.96.1.1")); }

  // Where a path is served: port 0 was asked for, and the log tells what it became.
  Endpoint http(std::string_view path) {
    const std::string mark = "Serving " + std::string(path) + " on ";
    EXPECT_TRUE(server_->wait_for_output(mark)) << server_->output();
    const std::string output = server_->output();
    const std::size_t at = output.rfind(mark) + mark.size();
    return Endpoint::from_text(output.substr(at, output.find('\n', at) - at));
  }
  std::map<std::string, double> metrics() {
    return parse_metrics(http_get(http("/metrics"), "/metrics").body);
  }
  bool becomes_ready() {
    const Endpoint at = http("/ready");
    return until([&] { return http_get(at, "/ready").status == 200; }).has_value();
  }
  // The part of a log line behind the level, of the last line that holds `text`.
  std::string line_with(std::string_view text) {
    EXPECT_TRUE(server_->wait_for_output(text)) << server_->output();
    const std::string output = server_->output();
    const std::size_t at = output.rfind(text);
    const std::size_t begin = output.rfind('\n', at) + 1;
    return output.substr(begin, output.find('\n', at) - begin);
  }

  static constexpr const char* kCorefile =
      ".:0 {\n  bind 127.0.0.1\n  errors\n  health 127.0.0.1:0\n  ready 127.0.0.1:0 \n"
      "  prometheus 127.0.0.1:0\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n";
};

TEST_F(Operations, HealthAndReadyAnswerAsCoreDns) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  health localhost:0\n  ready 127.0.0.1:0\n  kubernetes "
      "cluster.local {\n    manifests %M\n  }\n}\n");
  const std::string mark = "Serving /health on localhost:";
  ASSERT_TRUE(server_->wait_for_output(mark));
  const std::size_t at = server_->output().find(mark) + mark.size();
  const Endpoint health{"127.0.0.1",
                        static_cast<std::uint16_t>(std::stoi(server_->output().substr(at)))};
  HttpResult result = http_get(health, "/health");
  EXPECT_EQ(result.status, 200);
  EXPECT_EQ(result.body, "OK");
  EXPECT_NE(result.head.find("Content-Type: text/plain; charset=utf-8"), std::string::npos)
      << result.head;
  EXPECT_EQ(http_get(health, "/ready").status, 404);
  EXPECT_EQ(http_get(health, "/health", "HEAD").body, "");
  EXPECT_EQ(http_get(health, "/health", "POST").status, 405);
  EXPECT_TRUE(becomes_ready()) << server_->output();
  EXPECT_EQ(http_get(http("/ready"), "/ready").body, "OK");
}

// One address for all three is one listener.
TEST_F(Operations, PathsMayShareAnAddress) {
  const Endpoint at = unused_endpoint("127.0.0.1");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  health " + at.text() + "\n  ready " + at.text() +
                 "\n  prometheus " + at.text() + "\n  whoami\n}\n");
  EXPECT_EQ(http_get(at, "/health").body, "OK");
  EXPECT_TRUE(until([&] { return http_get(at, "/ready").status == 200; }));
  EXPECT_NE(http_get(at, "/metrics").body.find("coredns_build_info"), std::string::npos);
}

TEST_F(Operations, CountsQueriesAsCoreDns) {
  serve_corefile(kCorefile);
  ASSERT_TRUE(becomes_ready());
  const Query a{.name = "a.default.svc.cluster.local."};
  for (int i = 0; i < 3; ++i) (void)ask_udp(endpoint(), a);
  (void)ask_tcp(endpoint(), Query{.name = "none.default.svc.cluster.local.",
                                  .type = "AAAA",
                                  .edns = Edns{.dnssec_ok = true}});
  (void)ask_udp(endpoint(), Query{.name = "www.example.org.", .type = "TYPE65280"});
  (void)ask_udp(endpoint(), Query{.name = "a.", .type = "TXT", .klass = "CH"});
  // The durations of a batch are noted just after its answers are sent.
  std::map<std::string, double> m;
  ASSERT_TRUE(until([&] {
    m = metrics();
    return m["coredns_dns_request_duration_seconds_count{server=\"dns://127.0.0.1:0\",view=\"\","
             "zone=\".\"}"] == 5;
  })) << http_get(http("/metrics"), "/metrics").body;
  const auto value = [&](const std::string& name) {
    const auto it = m.find(name);
    return it == m.end() ? -1.0 : it->second;
  };
  const std::string s = "server=\"dns://127.0.0.1:0\"";
  EXPECT_EQ(value("coredns_dns_requests_total{family=\"1\",proto=\"udp\"," + s +
                  ",type=\"A\",view=\"\",zone=\".\"}"),
            3);
  EXPECT_EQ(value("coredns_dns_requests_total{family=\"1\",proto=\"tcp\"," + s +
                  ",type=\"AAAA\",view=\"\",zone=\".\"}"),
            1);
  EXPECT_EQ(value("coredns_dns_requests_total{family=\"1\",proto=\"udp\"," + s +
                  ",type=\"other\",view=\"\",zone=\".\"}"),
            1);
  EXPECT_EQ(value("coredns_dns_requests_total{family=\"1\",proto=\"udp\"," + s +
                  ",type=\"TXT\",view=\"\",zone=\"dropped\"}"),
            1);
  EXPECT_EQ(value("coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NOERROR\"," + s +
                  ",view=\"\",zone=\".\"}"),
            3);
  EXPECT_EQ(value("coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NXDOMAIN\"," + s +
                  ",view=\"\",zone=\".\"}"),
            1);
  EXPECT_EQ(value("coredns_dns_responses_total{plugin=\"\",rcode=\"REFUSED\"," + s +
                  ",view=\"\",zone=\".\"}"),
            1);
  EXPECT_EQ(value("coredns_dns_do_requests_total{" + s + ",view=\"\",zone=\".\"}"), 1);
  // 45 octets of question, and uncompressed: the same name and 14 more for each answer.
  const double question = static_cast<double>(encode(a).size());
  const double name = static_cast<double>(name_octets(a.name).size());
  EXPECT_EQ(
      value("coredns_dns_response_size_bytes_sum{proto=\"udp\"," + s + ",view=\"\",zone=\".\"}"),
      3 * (question + name + 14));
  EXPECT_EQ(value("coredns_plugin_enabled{name=\"kubernetes\"," + s + ",view=\"\",zone=\".\"}"), 1);
  EXPECT_EQ(value("coredns_plugin_enabled{name=\"health\"," + s + ",view=\"\",zone=\".\"}"), -1);
  EXPECT_EQ(value("coredns_panics_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value("process_open_fds"), 5);
  EXPECT_GT(value("process_start_time_seconds"), 1.6e9);
}

TEST_F(Operations, HealthIsProbedEachSecond) {
  serve_corefile(kCorefile);
  EXPECT_TRUE(until([&] {
    return metrics()["coredns_health_request_duration_seconds_count"] >= 1;
  })) << server_->output();
  EXPECT_EQ(metrics()["coredns_health_request_failures_total"], 0);
}

TEST_F(Operations, LogLinesAreCoreDnss) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  log\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n");
  const Query a{.name = "A.default.svc.cluster.local.",
                .edns = Edns{.payload_size = 4096, .options = {{10, Octets(8)}}},
                .id = 4711};
  UdpClient client(endpoint());
  (void)client.exchange(a);
  const std::string line = line_with(" - 4711 ");
  const std::string expected = "[INFO] " + local_endpoint(client.descriptor()).text() +
                               " - 4711 \"A IN a.default.svc.cluster.local. udp " +
                               std::to_string(encode(a).size() - 12) +
                               " false 4096\" NOERROR qr,aa,rd " +
                               std::to_string(12 + 2 * name_octets(a.name).size() + 4 + 14) + " 0.";
  EXPECT_EQ(line.substr(0, expected.size()), expected);
  EXPECT_EQ(line.back(), 's');
}

TEST_F(Operations, LogInJson) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  log . \"custom {name}\"\n  kubernetes cluster.local {\n"
      "    manifests %M\n  }\n}\n",
      {.arguments = {"-log-format", "json"}});
  const Query a{
      .name = "A.default.svc.cluster.local.", .edns = Edns{.payload_size = 4096}, .id = 4713};
  UdpClient client(endpoint());
  (void)client.exchange(a);
  const std::string line = line_with("\"id\":4713");
  const std::string port = std::to_string(local_endpoint(client.descriptor()).port);
  const std::string expected =
      R"("level":"INFO","msg":"custom a.default.svc.cluster.local.","plugin":"log",)"
      R"("client_ip":"127.0.0.1","client_port":)" +
      port +
      R"(,"qname":"a.default.svc.cluster.local.","qtype":"A","qclass":"IN","protocol":"udp","id":4713,)"
      R"("opcode":0,"request_size":)" +
      std::to_string(encode(a).size()) +
      R"(,"dnssec_ok":false,"bufsize":4096,"rcode":"NOERROR","response_size":)" +
      std::to_string(12 + 2 * name_octets(a.name).size() + 4 + 14) + R"(,"duration_seconds":0.)";
  EXPECT_NE(line.find(expected), std::string::npos) << line << "\n" << expected;
  EXPECT_EQ(server_->stop(), 0);
  // Nothing of the output is anything else.
  std::istringstream lines(server_->standard_output() + server_->standard_error());
  for (std::string one; std::getline(lines, one);) {
    EXPECT_TRUE(one.starts_with(R"({"time":"20)") && one.ends_with("}")) << one;
  }
}

TEST_F(Operations, WhatIsDroppedIsCountedAndLogged) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  prometheus 127.0.0.1:0\n  log {\n    class error\n  }\n"
      "  acl {\n    drop type TXT\n  }\n  erratic {\n    drop 1\n  }\n}\n");
  UdpClient client(endpoint());
  for (const auto& [type, id] : {std::pair{"TXT", 4714}, std::pair{"A", 4715}}) {
    const Query query{.name = "silent.test.",
                      .type = type,
                      .edns = Edns{.payload_size = 4096, .options = {{10, Octets(8)}}},
                      .id = static_cast<std::uint16_t>(id)};
    client.send(encode(query));
    const std::string line = line_with(" - " + std::to_string(id) + " ");
    const std::string expected = "[INFO] " + local_endpoint(client.descriptor()).text() + " - " +
                                 std::to_string(id) + " \"" + type + " IN silent.test. udp " +
                                 std::to_string(encode(query).size()) + " false 4096\" - - 0 0.";
    EXPECT_EQ(line.substr(0, expected.size()), expected);
    EXPECT_EQ(line.back(), 's');
  }
  // They are counted before they are logged.
  auto m = metrics();
  const std::string of_block = "server=\"dns://127.0.0.1:0\",view=\"\",zone=\".\"}";
  EXPECT_EQ(m["coredns_dns_responses_total{plugin=\"\",rcode=\"NOERROR\"," + of_block], 2);
  EXPECT_EQ(m["coredns_dns_request_duration_seconds_count{" + of_block], 2);
  EXPECT_EQ(m["coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://127.0.0.1:0\","
              "type=\"TXT\",view=\"\",zone=\".\"}"],
            1);
  EXPECT_EQ(m["coredns_dns_response_size_bytes_sum{proto=\"udp\"," + of_block], 0);
}

TEST_F(Operations, FailuresAreLoggedAsCoreDnsDoes) {
  const auto nobody = directory_.write("resolv.conf", "# names no server\n");
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  errors\n  log . \"{combined} {/meta} {what}\"\n  forward . " +
      nobody.string() + "\n}\n");
  const Query query{.name = "www.example.org.", .edns = Edns{}, .id = 4712};
  UdpClient client(endpoint());
  (void)client.exchange(query);
  const std::string line = line_with(" - 4712 ");
  const std::string expected = "[INFO] " + local_endpoint(client.descriptor()).text() +
                               " - 4712 \"A IN www.example.org. udp " +
                               std::to_string(encode(query).size()) +
                               " false 1232\" SERVFAIL qr,rd " +
                               std::to_string(12 + name_octets(query.name).size() + 4) + " 0.";
  EXPECT_EQ(line.substr(0, expected.size()), expected);
  EXPECT_NE(line.find("s \"0\" - {what}"), std::string::npos) << line;
  EXPECT_TRUE(server_->wait_for_output("[ERROR] plugin/errors: 2 www.example.org. A: "));
}

TEST_F(Operations, ErrorsAreConsolidated) {
  const auto nobody = directory_.write("resolv.conf", "# names no server\n");
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  errors {\n    consolidate 2s \".*\" warning "
      "show_first\n  }\n  forward . " +
      nobody.string() + "\n}\n");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask("www" + std::to_string(i) + ".example.org.").rcode, 2);
  }
  EXPECT_TRUE(server_->wait_for_output("[WARNING] plugin/errors: 2 www0.example.org. A: "))
      << server_->output();
  EXPECT_TRUE(server_->wait_for_output("errors like '.*' occurred in last 2s"))
      << server_->output();
}

TEST_F(Operations, BadOptionsSayWhatToDo) {
  const auto message = [&](const std::string& line) {
    const auto path = directory_.write("Bad", ".:0 {\n  " + line + "\n  whoami\n}\n");
    const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
    EXPECT_EQ(result.exit_code, 1) << line;
    return result.standard_error;
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message("health 8080"), HasSubstr("Bad:2:10: health: '8080' has no port"));
  EXPECT_THAT(message("health 10.0.0.256:8080"), HasSubstr("is not an address"));
  EXPECT_THAT(message("health {\n lameduk 5s\n}"), HasSubstr("lameduck"));
  EXPECT_THAT(message("ready {\n monitor sometimes\n}"), HasSubstr("until-ready"));
  EXPECT_THAT(message("reload 1s"), HasSubstr("reload: '1s' is too short; the shortest interval "
                                              "is 2s"));
  EXPECT_THAT(message("reload 10s 1ms"),
              HasSubstr("reload: '1ms' is too short; the shortest jitter is 1s"));
  EXPECT_THAT(
      message("errors {\n consolidate 5m \"(\"\n}"),
      HasSubstr("Bad:3:17: errors: consolidate: '(' is not a regular expression: missing ): ("));
  EXPECT_THAT(
      message("kubernetes cluster.local {\n multicluster clusterset.local\n}"),
      HasSubstr("Bad:3:2: kubernetes: multicluster: the zone 'clusterset.local.' is not one of"));
  EXPECT_THAT(message("kubernetes cluster.local {\n zonal\n noendpoints\n}"),
              HasSubstr("Bad:3:2: kubernetes: zonal: it answers from endpoints"));
  EXPECT_THAT(message("prometheus {\n tls x\n}"),
              HasSubstr("Bad:3:6: prometheus: tls: 'x' cannot be read"));
}

TEST_F(Operations, EveryErrorIsToldAtOnce) {
  const auto path =
      directory_.write("Bad", ".:0 {\n  nonsense\n  cache -5\n}\n.:1 {\n  loop x\n}\n");
  const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
  EXPECT_EQ(result.exit_code, 1);
  for (const char* place : {"Bad:2:3: ", "Bad:3:9: ", "Bad:6:8: "}) {
    EXPECT_NE(result.standard_error.find(place), std::string::npos) << result.standard_error;
  }
}

// CoreDNS, plugin/log/log.go: the first rule whose name covers the query, whatever its classes.
TEST_F(Operations, SeveralLogsAreOneListOfRules) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  log a.example \"first {name}\" {\n    class error\n  }\n"
      "  log . \"second {name}\"\n  log b.example \"third {name}\"\n  whoami\n}\n");
  for (const char* name : {"x.a.example.", "x.b.example.", "x.c.example."}) (void)ask(name);
  EXPECT_TRUE(server_->wait_for_output("second x.c.example."));
  EXPECT_EQ(server_->stop(), 0);
  const std::string output = server_->output();
  EXPECT_NE(output.find("second x.b.example."), std::string::npos) << output;
  for (const char* none : {"x.a.example.", "third"}) {
    EXPECT_EQ(output.find(none), std::string::npos) << output;
  }
}

TEST_F(Operations, QuietPrintsNothingAtAStart) {
  const auto path =
      directory_.write("Corefile", ".:0 {\n  bind 127.0.0.1\n  whoami\n  reload\n  log\n}\n");
  server_.emplace(ProcessOptions{.arguments = {"-quiet", "-conf", path.string()}});
  // It serves when it says what it has read.
  ASSERT_TRUE(server_->wait_for_output("plugin/reload: Running configuration SHA512"));
  EXPECT_EQ(server_->stop(), 0);
  for (const char* part : {"Listening on", "clusterdns-", ".:"}) {
    EXPECT_EQ(server_->output().find(part), std::string::npos) << part << "\n" << server_->output();
  }
}

// Who starts the program for the first time.
TEST_F(Operations, WithoutACorefileOneLineSaysWhatIsServed) {
  server_.emplace(
      ProcessOptions{.arguments = {"-dns.port", "0"}, .working_directory = directory_.path()});
  server_->wait_until_listening();
  EXPECT_EQ(server_->stop(), 0);
  EXPECT_NE(
      server_->standard_error().find("no Corefile here: port 0 answers each client with its own "
                                     "address (whoami); see `clusterdns help`"),
      std::string::npos)
      << server_->standard_error();
}

TEST_F(Operations, ManifestsAndCorefilesThatAreTakenForEachOther) {
  const auto corefile = directory_.write("Corefile", ".:0 {\n  whoami\n}\n");
  const auto manifest = directory_.write(
      "a.txt", "# a comment\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
  const RunResult served = run(ProcessOptions{.arguments = {"serve", corefile.string()}});
  EXPECT_EQ(served.exit_code, 1);
  EXPECT_NE(served.standard_error.find("is a Corefile, not a manifest; `clusterdns -conf FILE` "
                                       "serves it"),
            std::string::npos)
      << served.standard_error;
  const RunResult read = run(ProcessOptions{.arguments = {"-conf", manifest.string()}});
  EXPECT_EQ(read.exit_code, 1);
  EXPECT_NE(read.standard_error.find("a.txt: this is a Kubernetes manifest, not a Corefile; "
                                     "manifests are "
                                     "served by `clusterdns serve -m FILE`"),
            std::string::npos)
      << read.standard_error;
  const RunResult folder = run(ProcessOptions{.arguments = {"-conf", directory_.path().string()}});
  EXPECT_EQ(folder.exit_code, 1);
  EXPECT_NE(folder.standard_error.find("clusterdns serve -m "), std::string::npos)
      << folder.standard_error;
}

// A port that is taken is an error at start; everything that was bound is released.
TEST_F(Operations, HttpPortInUse) {
  const FileDescriptor taken = bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_STREAM);
  const std::string address = local_endpoint(taken.get()).text();
  const auto path = directory_.write(
      "Corefile", ".:0 {\n  bind 127.0.0.1\n  prometheus " + address + "\n  whoami\n}\n");
  const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.standard_error.find(address), std::string::npos) << result.standard_error;
}

}  // namespace
}  // namespace clusterdns::test
