#include "app/setup/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/setup/system_tree.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Checks = std::vector<DoctorCheck>;

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() : tree_(system_.path()) {}

  DoctorFacts facts(std::vector<std::string> domains = {"cluster.local", "shop.example.com"}) {
    return {tree_, nullptr, {registry::IpAddress{{127, 0, 0, 1}}, 53}, std::move(domains), {}};
  }
  // "" when all is well, or else the text of what is not, which has something that mends it.
  static std::string wrong(const Checks& checks) {
    std::string text;
    for (const DoctorCheck& check : checks) {
      EXPECT_EQ(check.ok, check.fix.empty()) << check.text;
      EXPECT_EQ(check.ok, check.severity == "info") << check.text;
      EXPECT_FALSE(check.text.empty());
      if (!check.ok) text += (text.empty() ? "" : "\n") + check.text + "\n" + check.fix;
    }
    return text;
  }

  SystemTree system_;
  Tree tree_;
};

TEST_F(DoctorTest, HostsFile) {
  EXPECT_EQ(wrong(check_hosts_file(facts())), "");
  system_.write("/etc/hosts",
                "127.0.0.1 localhost\n"
                "# 10.0.0.1 shop.example.com\n"
                "10.0.0.1\tSHOP.example.com # the old one\n"
                "10.0.0.2 other.example api.shop.example.com more\n"
                "10.0.0.3 nextshop.example.com\n");
  const std::string text = wrong(check_hosts_file(facts()));
  EXPECT_THAT(text, AllOf(HasSubstr("/etc/hosts:3: shop.example.com is 10.0.0.1 here"),
                          HasSubstr("sudo sed -i.bak '3d' "),
                          HasSubstr("/etc/hosts:4: api.shop.example.com is 10.0.0.2 here"),
                          HasSubstr("'4s/[[:space:]]api\\.shop\\.example\\.com\\b//'")));
  EXPECT_THAT(check_hosts_file(facts()), SizeIs(2));
}

TEST_F(DoctorTest, ALineThatSaysWhatTheServerSaysIsFine) {
  system_.write("/etc/hosts", "10.0.0.1 shop.example.com\n");
  DoctorFacts with = facts();
  with.addresses = [](const std::string&) -> std::optional<std::vector<registry::IpAddress>> {
    return {{registry::IpAddress{{10, 0, 0, 1}}}};
  };
  EXPECT_EQ(wrong(check_hosts_file(with)), "");
}

TEST_F(DoctorTest, OfAThousandLinesTheFirstFew) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "10.0.0.1 h" + std::to_string(i) + ".cluster.local\n";
  system_.write("/etc/hosts", text);
  EXPECT_THAT(check_hosts_file(facts()), SizeIs(20));
}

// Commands are there to be pasted into a shell.
TEST_F(DoctorTest, NothingInAFileBecomesACommand) {
  system_.write("/etc/hosts",
                "10.0.0.1;reboot shop.example.com';reboot;' $(reboot).cluster.local\n");
  system_.write("/etc/nsswitch.conf", "hosts: files $(reboot) ';reboot;'\n");
  system_.write("/home/a'b;reboot/.mozilla/firefox/p/prefs.js",
                "user_pref(\"network.trr.mode\", 3);\n");
  EXPECT_EQ(wrong(check_hosts_file(facts())), "") << "none of the words is a name";
  EXPECT_THAT(wrong(check_nsswitch(facts())), HasSubstr("hosts: files dns"));
  EXPECT_THAT(wrong(check_doh(facts())), HasSubstr("/home/a'\\''b;reboot/"));
  EXPECT_EQ(shell_word("a'b"), "'a'\\''b'");
}

TEST_F(DoctorTest, Nameserver) {
  system_.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
  EXPECT_THAT(wrong(check_nameserver(facts())), HasSubstr("sudo clusterdns setup"));
  system_.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
  EXPECT_EQ(wrong(check_nameserver(facts())), "");
  DoctorFacts other_port = facts();
  other_port.server.port = 1053;
  EXPECT_THAT(wrong(check_nameserver(other_port)), HasSubstr("not set up"));
}

TEST_F(DoctorTest, NameserverBehindSetup) {
  system_.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
  DoctorFacts with = facts();
  const auto set_up = [&](Backend backend) {
    if (const auto record = load_record(tree_)) (void)undo(tree_, *record, {});
    apply_plan(tree_, make_plan(backend, with.server, {{"cluster.local"}}, TreeView(tree_)), {});
    return load_record(tree_);
  };
  auto record = set_up(Backend::ResolvConf);
  with.record = &*record;
  EXPECT_EQ(wrong(check_nameserver(with)), "");
  system_.write("/etc/resolv.conf", "nameserver 192.0.2.9\nnameserver 127.0.0.1\n");
  EXPECT_THAT(wrong(check_nameserver(with)), HasSubstr("was changed since setup wrote it"));
  tree_.put("/etc/resolv.conf", record->files[0].after);

  record = set_up(Backend::Resolved);
  with.record = &*record;
  EXPECT_THAT(wrong(check_nameserver(with)), HasSubstr("does not lead to systemd-resolved"));
  system_.write("/etc/nsswitch.conf", "hosts: files resolve [!UNAVAIL=return] dns\n");
  EXPECT_EQ(wrong(check_nameserver(with)), "");
  system_.write("/etc/nsswitch.conf", "hosts: files dns\n");
  system_.write("/etc/resolv.conf", "nameserver 127.0.0.53\n");
  EXPECT_EQ(wrong(check_nameserver(with)), "");

  record = set_up(Backend::Dnsmasq);
  with.record = &*record;
  EXPECT_EQ(wrong(check_nameserver(with)), "");
  system_.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
  EXPECT_THAT(wrong(check_nameserver(with)), HasSubstr("does not lead to dnsmasq"));

  system_.write("/etc/resolvconf/resolv.conf.d/head", "");
  record = set_up(Backend::Resolvconf);
  with.record = &*record;
  EXPECT_THAT(wrong(check_nameserver(with)), HasSubstr("192.0.2.1 before 127.0.0.1"));
}

TEST_F(DoctorTest, Nsswitch) {
  EXPECT_EQ(wrong(check_nsswitch(facts())), "") << "glibc's own order";
  system_.write("/etc/nsswitch.conf", "passwd: files\n hosts : files dns # all\n");
  EXPECT_EQ(wrong(check_nsswitch(facts())), "");
  system_.write("/etc/nsswitch.conf", "hosts: files resolve\n");
  EXPECT_EQ(wrong(check_nsswitch(facts())), "");
  system_.write("/etc/nsswitch.conf", "hosts: files # dns\n");
  EXPECT_THAT(wrong(check_nsswitch(facts())), HasSubstr("/hosts: files dns/"));
}

TEST_F(DoctorTest, Mdns) {
  system_.write("/etc/nsswitch.conf", "hosts: files mdns4_minimal [NOTFOUND=return] dns\n");
  EXPECT_EQ(wrong(check_mdns(facts())), "") << "no name of a cluster has two labels";
  EXPECT_THAT(wrong(check_mdns(facts({"shop.local"}))),
              AllOf(HasSubstr("shop.local ends in .local"), HasSubstr("/hosts: files dns/")));
  system_.write("/etc/nsswitch.conf", "hosts: files mdns4 dns\n");
  EXPECT_EQ(wrong(check_mdns(facts({"shop.local"}))), "") << "the search goes on";
  system_.write("/etc/nsswitch.conf", "hosts: files dns mdns4_minimal [NOTFOUND=return]\n");
  EXPECT_EQ(wrong(check_mdns(facts({"shop.local"}))), "");
}

TEST_F(DoctorTest, Vpn) {
  EXPECT_EQ(wrong(check_vpn(facts(), false)), "");
  system_.write("/sys/class/net/eth0/type", "1\n");
  system_.write("/sys/class/net/wg0/type", "65534\n");
  system_.write("/sys/class/net/wg0/operstate", "unknown\n");
  EXPECT_THAT(wrong(check_vpn(facts(), false)), HasSubstr("a VPN is up (wg0)"));
  EXPECT_EQ(wrong(check_vpn(facts(), true)), "");
  system_.write("/sys/class/net/wg0/operstate", "down\n");
  EXPECT_EQ(wrong(check_vpn(facts(), false)), "");
}

TEST_F(DoctorTest, Doh) {
  const std::string firefox = "/home/me/.mozilla/firefox/abc.default/";
  EXPECT_EQ(wrong(check_doh(facts())), "");
  system_.write(firefox + "prefs.js", "user_pref(\"network.trr.mode\", 5);\n");
  EXPECT_EQ(wrong(check_doh(facts())), "");
  system_.write(firefox + "prefs.js", "user_pref(\"network.trr.mode\", 2);\n");
  EXPECT_THAT(wrong(check_doh(facts())), AllOf(HasSubstr("Firefox"), HasSubstr("user.js")));
  system_.write(firefox + "user.js", "user_pref(\"network.trr.mode\", 5);\n");
  EXPECT_EQ(wrong(check_doh(facts())), "") << "what doctor says to write counts";
  system_.write("/root/.config/chromium/Local State",
                R"({"dns_over_https":{"mode":"secure","templates":"https://x"}})");
  EXPECT_THAT(wrong(check_doh(facts())), HasSubstr("chromium/Local State"));
  for (const char* const text :
       {R"({"dns_over_https":{"mode":"automatic"}})", "{", "[]", "7", R"({"dns_over_https":7})"}) {
    system_.write("/root/.config/chromium/Local State", text);
    EXPECT_EQ(wrong(check_doh(facts())), "") << text;
  }
}

}  // namespace
}  // namespace clusterdns::app
