// geoip, in the program: who reads what it knows.
#include "integration/fixture.h"
#include "support/scripted_upstream.h"
#include "unit/dns/policy/geo_database.h"

namespace clusterdns::test {
namespace {

class Geoip : public Integration {
 protected:
  Geoip() {
    using namespace unit::mmdb;
    const auto country = [](const char* code) {
      return map({{"country", map({{"iso_code", text(code)}})}});
    };
    unit::GeoWriter writer("GeoLite2-Country");
    writer.add("127.0.0.0/24", country("GB"));
    writer.add("127.0.1.0/24", country("FR"));
    writer.add("192.0.2.0/24", country("JP"));
    writer.write(directory_ / "country.mmdb");
  }
  std::string geoip(const std::string& options = "") {
    return "  bind 127.0.0.1\n  geoip " + (directory_ / "country.mmdb").string() + options + "\n";
  }
  // The country that `template` says.
  std::vector<std::string> country_of(const std::string& from,
                                      const std::vector<EdnsOption>& options = {}) {
    Edns edns;
    edns.options = options;
    return data_of(UdpClient(endpoint(), from)
                       .exchange(Query{.name = "a.test.", .type = "TXT", .edns = edns})
                       .answer,
                   "TXT");
  }
};

const EdnsOption kJapan{8, {0, 1, 24, 0, 192, 0, 2}};
using Texts = std::vector<std::string>;

TEST_F(Geoip, ViewsTemplatesAndLogs) {
  const std::string answer =
      R"(  template IN TXT . {
    answer "{{ .Name }} 60 IN TXT %-{{ .Meta \"geoip/country/code\" }}"
  }
)";
  const auto named = [&](const std::string& name) {
    std::string block = answer;
    return block.replace(block.find('%'), 1, name);
  };
  serve_corefile(".:0 {\n" + geoip() +
                 "  log . \"geo {remote} {/geoip/country/code} {/geoip/city/name}\"\n  view fr {\n"
                 "    expr metadata('geoip/country/code') == 'FR'\n  }\n" +
                 named("view") + "}\n.:0 {\n" + geoip() + named("all") + "}\n");
  EXPECT_EQ(country_of("127.0.1.5"), Texts{"\"view-FR\""});
  EXPECT_TRUE(server_->wait_for_output("geo 127.0.1.5 FR -"));
  EXPECT_EQ(country_of("127.0.0.5"), Texts{"\"all-GB\""});
  EXPECT_EQ(country_of("127.0.2.5"), Texts{"\"all-\""});
  EXPECT_EQ(country_of("127.0.0.5", {kJapan}), Texts{"\"all-GB\""});
}

// Also of answers that come from upstreams, whose queries wait without their options.
TEST_F(Geoip, BySubnet) {
  ScriptedUpstream upstream(
      [](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        return reply_to(exchange.query, {.answers = 1,
                                         .records = a_record(exchange.query.questions[0].name,
                                                             "203.0.113.5", 300)});
      });
  serve_corefile(".:0 {\n" + geoip(" {\n    edns-subnet\n  }") +
                 "  log . \"geo {name} {/geoip/country/code}\"\n"
                 R"(  template IN TXT . {
    answer "{{ .Name }} 60 IN TXT x{{ .Meta \"geoip/country/code\" }}"
  }
  forward . )" + upstream.endpoint().text() +
                 "\n}\n");
  EXPECT_EQ(country_of("127.0.0.5"), Texts{"\"xGB\""});
  EXPECT_EQ(country_of("127.0.0.5", {kJapan}), Texts{"\"xJP\""});
  const auto forwarded = [&](const std::string& name, std::optional<Edns> edns) {
    (void)UdpClient(endpoint(), "127.0.0.5").exchange(Query{.name = name, .edns = std::move(edns)});
  };
  Edns subnet;
  subnet.options = {kJapan};
  forwarded("subnet.test.", subnet);
  forwarded("edns.test.", Edns{});
  forwarded("plain.test.", std::nullopt);
  EXPECT_TRUE(server_->wait_for_output("geo subnet.test. JP")) << server_->output();
  EXPECT_TRUE(server_->wait_for_output("geo edns.test. GB")) << server_->output();
  EXPECT_TRUE(server_->wait_for_output("geo plain.test. GB")) << server_->output();
}

}  // namespace
}  // namespace clusterdns::test
