// What the log tells is so by then: whoever reads a line may ask at once.
#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "app/log/logging.h"
#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

// Asks the server from within the line that holds a text.
class Asker final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  Asker(std::string text, std::function<std::string()> ask)
      : text_(std::move(text)), ask_(std::move(ask)) {}
  // Empty: the line has not come.
  std::string heard;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view line(message.payload.data(), message.payload.size());
    if (heard.empty() && line.find(text_) != std::string_view::npos) heard = ask_();
  }
  void flush_() override {}

  const std::string text_;
  const std::function<std::string()> ask_;
};

class ToldTest : public ServerFixture {
 protected:
  void apply(const std::string& text) { instance_.apply(parse_corefile(text, "Corefile")); }
  static std::string zone(int serial, const std::string& more) {
    return "$TTL 60\n@ IN SOA ns1 host " + std::to_string(serial) +
           " 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n" + more;
  }
  // What a question for `name` got when the line with `text` came.
  std::string heard(const std::string& text, const std::string& name) {
    const auto asker = std::make_shared<Asker>(text, [&] { return ask(name); });
    logger_->sinks().push_back(asker);
    EXPECT_TRUE(until([&] { return !asker->heard.empty(); })) << log_.str();
    std::erase(logger_->sinks(), asker);
    return asker->heard;
  }
};

TEST_F(ToldTest, AZoneThatWasReadAgainIsServed) {
  const std::string file = folder_.write("zone", zone(1, ""));
  apply(".:0 {\nbind 127.0.0.1\nfile " + file + " example {\nreload 1s\n}\n}\n");
  ASSERT_EQ(ask("a.example"), "NXDOMAIN 0");
  folder_.write("zone", zone(2, "a A 192.0.2.10\n"));
  EXPECT_EQ(heard("with 2 SOA serial", "a.example"), "NOERROR 1");
}

TEST_F(ToldTest, AZoneThatIsDeletedIsNotServed) {
  folder_.write("zones/db.a.test", zone(1, ""));
  folder_.write("zones/db.b.test", zone(1, ""));
  apply(".:0 {\nbind 127.0.0.1\nauto {\ndirectory " + (folder_ / "zones") + "\nreload 1s\n}\n}\n");
  ASSERT_EQ(ask("ns1.b.test"), "NOERROR 1");
  std::filesystem::remove(folder_ / "zones/db.b.test");
  EXPECT_EQ(heard("Deleting zone \"b.test.\"", "ns1.b.test"), "REFUSED 0");
}

TEST_F(ToldTest, AZoneThatWasTransferredIsServed) {
  Instance primary(io_, make_silent_logger(), {});
  primary.apply(parse_corefile(".:0 {\nbind 127.0.0.1\nfile " +
                                   folder_.write("zone", zone(1, "a A 192.0.2.10\n")) +
                                   " example\ntransfer {\nto *\n}\n}\n",
                               "Corefile"));
  apply(".:0 {\nbind 127.0.0.1\nsecondary example {\ntransfer from 127.0.0.1:" +
        std::to_string(primary.listening().front().port) + "\n}\n}\n");
  EXPECT_EQ(heard("Transferred: example.", "a.example"), "NOERROR 1");
}

}  // namespace
}  // namespace clusterdns::app
