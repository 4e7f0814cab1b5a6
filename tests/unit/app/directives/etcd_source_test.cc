// Keys of an etcd that comes and goes, as clients see them.
#include "app/directives/etcd_source.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/app/directives/scripted_etcd.h"
#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

class EtcdTest : public ServerFixture {
 protected:
  [[nodiscard]] std::string corefile(const std::string& more = {}) const {
    return "skydns.local:0 {\nbind 127.0.0.1\netcd {\nendpoint " + etcd_.url() + "\n" + more +
           "}\n}\n";
  }
  void apply(const std::string& text) { instance_.apply(parse_corefile(text, "Corefile")); }
  // Whether `name` is answered so, soon.
  bool becomes(const std::string& name, const std::string& answer) {
    const bool is = until([&] { return ask(name) == answer; });
    if (!is) ADD_FAILURE() << name << ": " << ask(name) << "\n" << log_.str();
    return is;
  }

  ScriptedEtcd etcd_;
};

TEST_F(EtcdTest, ChangesShow) {
  etcd_.put("/skydns/local/skydns/a/x", R"({"host":"10.0.0.1"})");
  etcd_.put("/skydns/local/skydns/a/y", R"({"host":"10.0.0.2"})");
  etcd_.put("/skydnsother/local/skydns/b", R"({"host":"10.0.0.1"})");
  apply(corefile());
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 2"));
  EXPECT_EQ(ask("b.skydns.local"), "NXDOMAIN 0");
  etcd_.put("/skydns/local/skydns/b", R"({"host":"10.0.0.3"})");
  ASSERT_TRUE(becomes("b.skydns.local", "NOERROR 1"));
  etcd_.remove("/skydns/local/skydns/a/x");
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
  etcd_.put("/skydns/local/skydns/c", "nonsense");
  etcd_.put("/skydns/local/skydns/d", R"({"host":"10.0.0.4"})");
  ASSERT_TRUE(becomes("d.skydns.local", "NOERROR 1"));
  EXPECT_EQ(logged("\"/skydns/local/skydns/c\": the value is not a JSON object; left out"), 1U);
  // One list, and what has changed since.
  EXPECT_EQ(etcd_.asked("/v3/kv/range"), 1U);
}

TEST_F(EtcdTest, MorePagesThanOne) {
  for (int i = 0; i < 1201; ++i) {
    etcd_.put("/skydns/local/skydns/n" + std::to_string(i), R"({"host":"10.0.0.1"})");
  }
  apply(corefile());
  ASSERT_TRUE(becomes("n1200.skydns.local", "NOERROR 1"));
  EXPECT_EQ(ask("n0.skydns.local"), "NOERROR 1");
  EXPECT_EQ(ask("n999.skydns.local"), "NOERROR 1");
  EXPECT_EQ(etcd_.asked("/v3/kv/range"), 3U);
}

TEST_F(EtcdTest, WhatWasReadStaysWhileEtcdIsAway) {
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})");
  apply(corefile());
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
  etcd_.stop();
  ASSERT_TRUE(until([&] { return logged("still serving what was read before") >= 1; }));
  EXPECT_EQ(ask("a.skydns.local"), "NOERROR 1");
  etcd_.put("/skydns/local/skydns/b", R"({"host":"10.0.0.2"})");
  etcd_.start_again();
  ASSERT_TRUE(becomes("b.skydns.local", "NOERROR 1"));
  // What it missed is gone.
  etcd_.stop();
  etcd_.remove("/skydns/local/skydns/a");
  etcd_.put("/skydns/local/skydns/c", R"({"host":"10.0.0.3"})");
  etcd_.compact();
  etcd_.start_again();
  ASSERT_TRUE(becomes("c.skydns.local", "NOERROR 1"));
  EXPECT_EQ(ask("a.skydns.local"), "NXDOMAIN 0");
}

TEST_F(EtcdTest, EtcdComesLater) {
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})");
  etcd_.stop();
  apply(corefile());
  ASSERT_TRUE(until([&] { return logged("names are SERVFAIL until it can be read") == 1; }));
  EXPECT_EQ(ask("a.skydns.local"), "SERVFAIL 0");
  etcd_.start_again();
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
}

TEST_F(EtcdTest, AnotherEndpointIsAsked) {
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})");
  ScriptedEtcd away;
  const std::string url = away.url();
  away.stop();
  apply("skydns.local:0 {\nbind 127.0.0.1\netcd {\nendpoint " + url + " " + etcd_.url() +
        "\n}\n}\n");
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
}

TEST_F(EtcdTest, Users) {
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})");
  etcd_.need("root", "right\"");
  apply(corefile("credentials root wrong\n"));
  ASSERT_TRUE(until([&] { return logged("authentication failed") == 1; })) << log_.str();
  apply(corefile("credentials root \"right\\\"\"\n"));
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
}

TEST_F(EtcdTest, AReloadGoesOnWithWhatIsThere) {
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})");
  etcd_.put("/other/local/skydns/b", R"({"host":"10.0.0.2"})");
  apply(corefile());
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
  apply(corefile("fallthrough\n"));
  EXPECT_EQ(ask("a.skydns.local"), "NOERROR 1");
  EXPECT_TRUE(until([&] { return logged("plugin/etcd: following") == 1; })) << log_.str();
  apply(corefile("path /other/\n"));
  ASSERT_TRUE(becomes("b.skydns.local", "NOERROR 1"));
  EXPECT_EQ(ask("a.skydns.local"), "NXDOMAIN 0");
}

TEST_F(EtcdTest, Leases) {
  etcd_.set_ttl(77, 500);
  etcd_.put("/skydns/local/skydns/a", R"({"host":"10.0.0.1"})", 77);
  apply(corefile());
  ASSERT_TRUE(becomes("a.skydns.local", "NOERROR 1"));
  EXPECT_TRUE(until([&] { return etcd_.asked("/v3/lease/timetolive") == 1; }));
}

}  // namespace
}  // namespace clusterdns::app
