// Consoles behind TLS and with a token, asked as the commands ask them.
#include "app/commands/server_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "app/corefile/parser.h"
#include "app/corefile/token_file.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;

class ServerClient : public ::testing::Test {
 protected:
  // With `options` in the block of its `console`.
  void serve(const std::string& options) {
    instance_.emplace(io_, make_silent_logger(), InstanceOptions{});
    instance_->apply(parse_corefile(
        ".:0 {\n bind 127.0.0.1\n whoami\n console 127.0.0.1:0 {\n" + options + " }\n}\n", "f"));
    const std::string& line = instance_->http_lines().back();
    url_.host = "127.0.0.1";
    url_.port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
    url_.authority = "127.0.0.1:" + std::to_string(url_.port);
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      instance_->stop();
      io_.stop();
    });
    thread_.join();
  }
  std::string error() const {
    try {
      (void)ask_server(url_, ServerQuery("status"));
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }

  Folder folder_;
  boost::asio::io_context io_{1};
  std::optional<Instance> instance_;
  std::thread thread_;
  ServerUrl url_;
};

// What `/metrics` answers to a client that shows `identity`; empty: it is not served.
std::string scrape(std::uint16_t port, const registry::kubernetes::testing::Identity* identity) {
  namespace ssl = boost::asio::ssl;
  boost::asio::io_context io;
  ssl::context context(ssl::context::tls_client);
  if (identity != nullptr) {
    context.use_certificate_chain(boost::asio::buffer(identity->certificate));
    context.use_private_key(boost::asio::buffer(identity->key), ssl::context::pem);
  }
  ssl::stream<boost::asio::ip::tcp::socket> stream(io, context);
  stream.next_layer().connect({boost::asio::ip::address_v4::loopback(), port});
  boost::system::error_code error;
  stream.handshake(ssl::stream_base::client, error);
  if (error) return "";
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  boost::asio::write(stream, boost::asio::buffer(request), error);
  std::string reply;
  boost::asio::read(stream, boost::asio::dynamic_buffer(reply), error);
  return reply;
}

TEST_F(ServerClient, MetricsByHttps) {
  const auto identity = registry::kubernetes::testing::make_identity(-1, 1);
  const auto other = registry::kubernetes::testing::make_identity(-1, 1);
  const std::string files = folder_.write("cert.pem", identity.certificate) + " " +
                            folder_.write("key.pem", identity.key);
  instance_.emplace(io_, make_silent_logger(), InstanceOptions{});
  const auto block = [](const std::string& name, const std::string& address,
                        const std::string& words) {
    return name + ":0 {\n bind 127.0.0.1\n whoami\n prometheus " + address + " {\n  tls " + words +
           "\n }\n}\n";
  };
  instance_->apply(
      parse_corefile(block("a.test", "127.0.0.1:0", files) +
                         block("b.test", "localhost:0", files + " " + (folder_ / "cert.pem")),
                     "f"));
  std::vector<std::uint16_t> ports;
  for (const std::string& line : instance_->http_lines()) {
    ports.push_back(static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1))));
  }
  ASSERT_EQ(ports.size(), 2u);  // by address
  thread_ = std::thread([this] { io_.run(); });
  EXPECT_THAT(scrape(ports[0], nullptr), HasSubstr("coredns_build_info"));
  EXPECT_EQ(scrape(ports[1], nullptr), "");
  EXPECT_EQ(scrape(ports[1], &other), "");
  EXPECT_THAT(scrape(ports[1], &identity), HasSubstr("coredns_build_info"));
}

TEST_F(ServerClient, AsksByHttps) {
  const auto identity = registry::kubernetes::testing::make_identity(-1, 1);
  const std::string certificate = folder_.write("cert.pem", identity.certificate);
  // As an editor of Windows writes it.
  url_.token_file = folder_.write("token", "\xEF\xBB\xBFs3cret\r\n");
  serve("  tls " + certificate + " " + folder_.write("key.pem", identity.key) + "\n  token " +
        url_.token_file + "\n");
  url_.tls = true;
  EXPECT_THAT(error(), HasSubstr("--ca FILE"));
  url_.ca_file = certificate;
  EXPECT_EQ(error(), "");
  url_.token_file = folder_.write("other", "wrong");
  EXPECT_THAT(error(), HasSubstr("--token-file FILE"));
  url_.token_file.clear();
  url_.host = "localhost";  // no name of the certificate
  EXPECT_THAT(error(), HasSubstr("TLS: "));
  url_.ca_file = folder_.write("none.pem", "no certificate");
  EXPECT_THAT(error(), HasSubstr("--ca: " + url_.ca_file));
}

TEST_F(ServerClient, TheTokenGoesNowhereUnencrypted) {
  url_.host = url_.authority = "192.0.2.2";
  url_.token_file = folder_.write("token", "s3cret\n");
  EXPECT_THAT(error(), HasSubstr("the token is not sent unencrypted to another machine"));
}

TEST_F(ServerClient, TheTokenGoesToLoopback) {
  url_.token_file = folder_.write("token", "s3cret\r\n");
  serve("  token " + url_.token_file + "\n");
  EXPECT_EQ(error(), "");
}

TEST_F(ServerClient, AReplyOfAnotherServer) {
  serve("");
  for (const char* const what : {"no member", "no list"}) {
    try {
      read_replies(url_, [&] {
        const auto status = ask_server(url_, ServerQuery("status"));
        if (std::string(what) == "no list") (void)status.as_array();
        (void)status.as_object().at("none");
      });
      ADD_FAILURE() << what;
    } catch (const ServerError& e) {
      EXPECT_THAT(e.what(), HasSubstr("http://" + url_.authority +
                                      ": the reply is not one of "
                                      "this API"));
    }
  }
}

TEST(TokenFile, OneLineThatPrints) {
  const Folder folder;
  for (const char* const good : {"abc", "abc\n", "abc\r\n",
                                 "\xEF\xBB\xBF"
                                 "abc\n\n"}) {
    EXPECT_EQ(*read_token_file(folder.write("t", good)), "abc") << good;
  }
  for (const char* const bad : {"", "\n", "a b", "a\nb", "a\tb", "\xC3\xA4"}) {
    EXPECT_THAT(read_token_file(folder.write("t", bad)).error(), HasSubstr("not hold a token"));
  }
  EXPECT_THAT(read_token_file(folder.write("t",
                                           "\xFF\xFE"
                                           "a"))
                  .error(),
              HasSubstr("UTF-16"));
  EXPECT_THAT(read_token_file(folder.write("t", std::string(5000, 'a'))).error(),
              HasSubstr("is larger than 4096 octets"));
  EXPECT_EQ(read_token_file(folder.path()).error(), "is a folder");
  EXPECT_EQ(read_token_file("/dev/zero").error(), "is not a regular file");
}

}  // namespace
}  // namespace clusterdns::app
