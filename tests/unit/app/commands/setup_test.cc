#include "app/commands/setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <map>
#include <sstream>
#include <thread>

#include "dns/base/descriptor.h"
#include "tests/unit/app/setup/system_tree.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Answers GET of paths below /api/v1/ with these bodies, one connection after the other.
class FakeConsole {
 public:
  explicit FakeConsole(std::map<std::string, std::string> bodies)
      : bodies_(std::move(bodies)), socket_(bound()) {
    EXPECT_EQ(::listen(socket_.get(), SOMAXCONN), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeConsole() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  FakeConsole(const FakeConsole&) = delete;
  FakeConsole& operator=(const FakeConsole&) = delete;

  [[nodiscard]] ServerUrl url() const { return url_of(socket_.get()); }

  static dns::Descriptor bound() {
    dns::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    return socket;
  }
  static ServerUrl url_of(int socket) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size), 0);
    const std::uint16_t port = ntohs(at.sin_port);
    return {"127.0.0.1", port, "127.0.0.1:" + std::to_string(port), ""};
  }

 private:
  void serve() const {
    for (;;) {
      const dns::Descriptor peer(::accept(socket_.get(), nullptr, nullptr));
      if (!peer) return;
      std::string request;
      std::array<char, 4096> piece;
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(peer.get(), piece.data(), piece.size(), 0);
        if (n <= 0) break;
        request.append(piece.data(), static_cast<std::size_t>(n));
      }
      std::string reply = "HTTP/1.0 404 Not Found\r\n\r\n{}";
      for (const auto& [path, body] : bodies_) {
        if (request.starts_with("GET /api/v1/" + path)) {
          reply = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body;
        }
      }
      (void)::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
    }
  }

  const std::map<std::string, std::string> bodies_;
  const dns::Descriptor socket_;
  std::thread thread_;
};

std::string hosts_of(const std::string& items) {
  return R"({"items":[)" + items + R"(],"total":1,"next":null})";
}

class Setup : public ::testing::Test {
 protected:
  Setup() {
    system_.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
    options_.root = system_.path();
    options_.console = FakeConsole::url_of(nobody_.get());
    options_.zones = {"cluster.local."};
    options_.server = HostPort{registry::IpAddress{{127, 0, 0, 1}}, 53};
    options_.yes = true;
  }

  int set_up(const std::string& answer = "") {
    out_.str("");
    err_.str("");
    std::istringstream asked(answer);
    return run_setup(options_, answer.empty() ? nullptr : &asked, out_, err_);
  }
  int unset() {
    out_.str("");
    err_.str("");
    UnsetupOptions options;
    options.root = options_.root;
    options.yes = true;
    return run_unsetup(options, nullptr, out_, err_);
  }
  // The one file that `dnsmasq` gets.
  std::string dnsmasq_file() {
    options_.backend = Backend::Dnsmasq;
    EXPECT_EQ(set_up(), 0) << err_.str();
    return system_.read("/etc/dnsmasq.d/clusterdns.conf");
  }

  SystemTree system_;
  SetupOptions options_;
  std::ostringstream out_, err_;

 private:
  // Nobody listens there.
  dns::Descriptor nobody_ = FakeConsole::bound();
};

TEST_F(Setup, DoneTwiceAndUndone) {
  const Snapshot before = system_.snapshot();
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("Only what --zone names is routed"),
                                HasSubstr("resolv.conf asks 127.0.0.1:53 first"),
                                HasSubstr("/etc/resolv.conf (saved, then replaced)"),
                                HasSubstr("knows no zones"), HasSubstr("Done.")));
  EXPECT_THAT(system_.read("/etc/resolv.conf"), HasSubstr("nameserver 127.0.0.1\nnameserver 192"));
  const Snapshot after = system_.snapshot();
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Everything is set up already"));
  EXPECT_EQ(system_.snapshot(), after);
  ASSERT_EQ(unset(), 0) << err_.str();
  EXPECT_EQ(system_.snapshot(), before);
  EXPECT_EQ(unset(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Nothing is set up"));
}

TEST_F(Setup, AnotherServerOrBackendTakesItsPlace) {
  const Snapshot before = system_.snapshot();
  ASSERT_EQ(set_up(), 0) << err_.str();
  options_.server = HostPort{*registry::IpAddress::parse("::1"), 53};
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(system_.read("/etc/resolv.conf"),
              AllOf(HasSubstr("nameserver ::1\n"), Not(HasSubstr("127.0.0.1"))));
  options_.backend = Backend::Resolved;
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_EQ(system_.read("/etc/resolv.conf"), "nameserver 192.0.2.1\n");
  ASSERT_EQ(unset(), 0) << err_.str();
  EXPECT_EQ(system_.snapshot(), before);
}

TEST_F(Setup, NothingIsDoneUnasked) {
  const Snapshot before = system_.snapshot();
  options_.yes = false;
  EXPECT_EQ(set_up(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("add --yes"));
  EXPECT_EQ(set_up("n\n"), 1);
  EXPECT_EQ(set_up("\n"), 1);
  options_.dry_run = true;
  EXPECT_EQ(set_up(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("    | nameserver 127.0.0.1\n"));
  EXPECT_EQ(system_.snapshot(), before);
  options_.dry_run = false;
  EXPECT_EQ(set_up("y\n"), 0);
  EXPECT_NE(system_.snapshot(), before);
}

TEST_F(Setup, WithoutConsoleAndZonesThereIsNothingToDo) {
  options_.zones.clear();
  EXPECT_EQ(set_up(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("nothing to route"));
  options_.zones = {"cluster.local."};
  options_.console_named = true;
  EXPECT_EQ(set_up(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("is the server running"));
}

TEST_F(Setup, WhatUsersChangedSinceIsNamed) {
  ASSERT_EQ(set_up(), 0);
  system_.write("/etc/resolv.conf", "nameserver 192.0.2.7\n");
  EXPECT_EQ(unset(), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr(system_.at("/etc/resolv.conf") + " was changed since"),
                                HasSubstr(system_.at("/var/lib/clusterdns/setup/0-before"))));
  EXPECT_EQ(system_.read("/etc/resolv.conf"), "nameserver 192.0.2.7\n");
  EXPECT_EQ(set_up(), 1);
  EXPECT_EQ(system_.read("/etc/resolv.conf"), "nameserver 192.0.2.7\n");
}

TEST_F(Setup, ZonesHostsAndAddressAreTheConsoles) {
  const FakeConsole console(
      {{"status", R"({"zones":["cluster.local.","in-addr.arpa.","10.in-addr.arpa."],)"
                  R"("listeners":["192.0.2.5:53","0.0.0.0:5300","127.0.0.2:1053"]})"},
       {"hosts", hosts_of(R"({"host":"shop.example.com"},{"host":"*.apps.example.com"})")}});
  options_.console = console.url();
  options_.console_named = true;
  options_.zones = {"more.test."};
  options_.server.reset();
  const std::string text = dnsmasq_file();
  EXPECT_THAT(text, AllOf(HasSubstr("\nserver=/cluster.local/127.0.0.2#1053\n"),
                          HasSubstr("\nserver=/shop.example.com/127.0.0.2#1053\n"),
                          HasSubstr("\nserver=/apps.example.com/127.0.0.2#1053\n"),
                          HasSubstr("\nserver=/10.in-addr.arpa/127.0.0.2#1053\n"),
                          HasSubstr("\nserver=/more.test/127.0.0.2#1053\n"),
                          Not(HasSubstr("/in-addr.arpa/"))));
  // The system without ports takes the listener that needs none.
  options_.backend = Backend::ResolvConf;
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(system_.read("/etc/resolv.conf"), HasSubstr("nameserver 192.0.2.5\n"));
}

TEST_F(Setup, AHostThatIsNewIsRoutedByTheNextSetup) {
  options_.zones.clear();
  options_.server.reset();
  const std::string status = R"({"zones":["cluster.local."],"listeners":["127.0.0.1:1053"]})";
  {
    const FakeConsole console({{"status", status}, {"hosts", hosts_of("")}});
    options_.console = console.url();
    EXPECT_THAT(dnsmasq_file(), Not(HasSubstr("example")));
  }
  const FakeConsole console(
      {{"status", status}, {"hosts", hosts_of(R"({"host":"new.example.com"})")}});
  options_.console = console.url();
  EXPECT_THAT(dnsmasq_file(), HasSubstr("server=/new.example.com/127.0.0.1#1053\n"));
}

// Whatever a console says, no line of a file is its own.
TEST_F(Setup, HostileConsoles) {
  const std::string good_status = R"({"zones":[],"listeners":["127.0.0.1:1053"]})";
  std::string hosts;
  for (const char* const host :
       {R"(a.example/192.0.2.66#53\nserver=/bank.example)", R"(a.example\u0000.b)",
        R"(\"'; rm -rf / #)", "com", "../../../etc/passwd", R"(\u202emoc.example)"}) {
    hosts += std::string(hosts.empty() ? "" : ",") + R"({"host":")" + host + R"("})";
  }
  {
    const FakeConsole console({{"status", good_status}, {"hosts", hosts_of(hosts)}});
    options_.console = console.url();
    for (const std::string_view backend : kBackendNames) {
      options_.backend = backend_of(backend);
      ASSERT_EQ(set_up(), 0) << err_.str();
      EXPECT_THAT(out_.str(), AllOf(HasSubstr("'com' is not routed"), HasSubstr("\\x0A")));
      for (const auto& [path, text] : system_.snapshot()) {
        EXPECT_THAT(text, AllOf(Not(HasSubstr("192.0.2.66")), Not(HasSubstr("a.example")),
                                Not(HasSubstr("rm -rf")), Not(HasSubstr("passwd"))))
            << path;
      }
    }
  }
  options_.backend = Backend::Dnsmasq;
  options_.server.reset();
  options_.console_named = true;
  for (const std::string& status :
       {std::string("null"), std::string("[]"), std::string("{}"), std::string("<html>"),
        std::string(R"({"zones":[1],"listeners":[]})"),
        std::string(R"({"zones":[],"listeners":["127.0.0.1\nserver=1.1.1.1"]})"),
        std::string(R"({"zones":[],"listeners":["evil.example:53"]})")}) {
    const FakeConsole console({{"status", status}, {"hosts", hosts_of("")}});
    options_.console = console.url();
    EXPECT_EQ(set_up(), 1) << status;
    EXPECT_FALSE(err_.str().empty());
  }
}

TEST_F(Setup, SystemsElsewhereAreWrittenBelowAFolder) {
  const Snapshot before = system_.snapshot();
  options_.backend = Backend::MacOs;
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(system_.read("/etc/resolver/cluster.local"),
              HasSubstr("nameserver 127.0.0.1\nport 53"));
  ASSERT_EQ(unset(), 0);
  EXPECT_EQ(system_.snapshot(), before);
  options_.root = "/";
  ASSERT_EQ(set_up(), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("/etc/resolver/cluster.local:\n"),
                                HasSubstr("changes nothing here")));
}

TEST_F(Setup, AFolderThatIsNotThere) {
  options_.root = system_.at("/none");
  EXPECT_EQ(set_up(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("/none"));
}

}  // namespace
}  // namespace clusterdns::app
