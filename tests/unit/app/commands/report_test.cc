#include "app/commands/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "app/corefile/parser.h"
#include "app/directives/target_api.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ReportText : public ::testing::Test {
 protected:
  ReportText() {
    (void)build_configuration(
        parse_corefile(". {\n  fault fault.test {\n    seed 42\n  }\n  evidence\n}\n", "Corefile"),
        environment_, 53);
  }
  // A query of 127.0.0.2 that comes so many microseconds after the first one and ends with this
  // rcode, and one record for 0.
  void note(const std::string& name, dns::RRType type, std::int64_t at_us,
            std::optional<std::uint8_t> rcode, std::uint16_t port = 9) {
    const unit::Octets octets = unit::Request{.qname = name, .qtype = type}.wire();
    const unit::Packet packet(octets);
    dns::Query query;
    ASSERT_EQ(dns::parse_query(packet.view(), query), dns::Gate::Pass);
    const dns::Endpoint client =
        dns::make_endpoint(boost::asio::ip::make_address("127.0.0.2"), port);
    const std::int64_t at = first_ns_ + at_us * 1000;
    dns::Evidence& evidence = *environment_.target->evidence;
    evidence.on_query(client, {}, dns::Transport::Udp, query, at);
    unit::Octets response;
    if (rcode) {
      response = octets;
      response[2] |= 0x80;
      response[3] = *rcode;
      if (*rcode == 0) {
        response[7] = 1;
        unit::put_record(response, name, type, 1, 60,
                         unit::Octets(type == dns::RRType::A ? 4 : 16));
      }
    }
    evidence.on_end(client, {}, dns::Transport::Udp, query, at, response, nullptr);
  }
  std::string report(const std::map<std::string, std::string>& query = {}) {
    auto reply = answer_target_api(*environment_.target, "GET", "/api/v1/evidence", query, {});
    if (!reply) throw std::runtime_error("there is no evidence");
    while (reply->more && reply->more(reply->body)) {
    }
    return report_text(json::parse(reply->body).as_object());
  }

  dns::ReclaimDomain reclaim_{1};
  Environment environment_{reclaim_, 1, make_silent_logger(), {}, {}, nullptr};
  const std::int64_t first_ns_ = dns::monotonic_ns();
};

TEST_F(ReportText, NobodyHasAsked) {
  EXPECT_THAT(report(),
              AllOf(StartsWith("Since 20"), HasSubstr("; seed 42\n"),
                    HasSubstr("\nNobody has asked anything.\n"), Not(HasSubstr("CLIENT"))));
}

TEST_F(ReportText, WhatAClientDid) {
  using enum dns::RRType;
  note("a.test", A, 0, std::nullopt);
  note("a.test", AAAA, 400, 0);
  note("a.test", A, 5'000'400, 2);
  note("a.test", A, 5'001'000, 0, 10);
  const std::string text = report();
  // Columns are as wide as what is in them.
  const std::string tables =
      std::regex_replace(text.substr(text.find("\n\n") + 2), std::regex("  +"), " | ");
  EXPECT_EQ(
      tables,
      "CLIENT | QUERIES | UDP | TCP | PORTS | OUTCOMES | RETRIES | REPEATS | TCP FALLBACK | "
      "EDNS | PAIRS | GAP MS\n"
      "127.0.0.2 | 4 | 4 | 0 | 2 | 2 NOERROR, 1 SERVFAIL, 1 dropped | "
      "1 same id and port, 1 new port | 0 | - | "
      "4 none | 1 both, 1 A first, 1 one socket | 0.4\n"
      "\n"
      "CLIENT | NAME | TYPE | QUERIES | OUTCOMES | FAULTS | RETRIES | INTERVALS MS | REPEATS | "
      "TCP FALLBACK\n"
      "127.0.0.2 | a.test. | A | 3 | 1 NOERROR, 1 SERVFAIL, 1 dropped | - | "
      "1 same id and port, 1 new port | 5000.4 0.6 | 0 | -\n"
      "127.0.0.2 | a.test. | AAAA | 1 | 1 NOERROR | - | - | - | 0 | -\n");
  EXPECT_THAT(report({{"type", "AAAA"}}), AllOf(HasSubstr(" AAAA "), Not(HasSubstr("5000.4"))));
}

TEST_F(ReportText, SearchLists) {
  note("a.x.test", dns::RRType::A, 0, 3);
  note("a.test", dns::RRType::A, 100, 0);
  EXPECT_THAT(report(), HasSubstr("\nCLIENT     BASE  SEARCH\n"
                                  "127.0.0.2  a.    a.x.test. a.test.\n"));
}

// A console of a Corefile with these lines.
class Report : public ::testing::Test {
 protected:
  int run(const std::string& lines, OutputFormat format = OutputFormat::Table) {
    boost::asio::io_context io{1};
    Instance instance(io, make_silent_logger(), InstanceOptions{});
    instance.apply(parse_corefile(
        ".:0 {\n bind 127.0.0.1\n whoami\n console 127.0.0.1:0\n" + lines + "}\n", "f"));
    const std::string& line = instance.http_lines().back();
    ReportOptions options;
    options.format = format;
    options.server.host = "127.0.0.1";
    options.server.port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
    options.server.authority = "127.0.0.1:" + std::to_string(options.server.port);
    std::thread thread([&] { io.run(); });
    const int code = run_report(options, out_, err_);
    boost::asio::post(io, [&] {
      instance.stop();
      io.stop();
    });
    thread.join();
    return code;
  }

  std::ostringstream out_, err_;
};

TEST_F(Report, OfARunningServer) {
  EXPECT_EQ(run(" evidence\n"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Nobody has asked anything."));
  EXPECT_THAT(out_.str(), Not(HasSubstr("seed")));  // there is no `fault`
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Report, AsTheApiHasIt) {
  EXPECT_EQ(run(" evidence\n", OutputFormat::Json), 0);
  const json::value value = json::parse(out_.str());
  EXPECT_TRUE(value.at("clients").as_array().empty());
  EXPECT_EQ(value.at("limits").at("names").to_number<int>(), 100'000);
}

TEST_F(Report, WithoutTheDirective) {
  EXPECT_EQ(run(""), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("see `evidence`"));
}

}  // namespace
}  // namespace clusterdns::app
