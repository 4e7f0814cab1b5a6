// The files of `evidence`: what they may be, over reloads, and when there is no room.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <mutex>

#include <spdlog/sinks/base_sink.h>

#include "app/directives/evidence_file.h"
#include "dns/target/capture.h"
#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

class EvidenceFilesTest : public ServerFixture {
 protected:
  void apply(const std::string& options, const std::string& more = {}) {
    instance_.apply(parse_corefile(
        ".:0 {\nbind 127.0.0.1\nwhoami\nevidence {\n" + options + "\n}\n}\n" + more, "Corefile"));
  }
  [[nodiscard]] std::string what_is_wrong_with(const std::string& options) {
    try {
      apply(options);
    } catch (const ConfigError& e) {
      return folder_.strip(e.what());
    }
    return "";
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Blocks that have a packet; -1: it is no whole pcapng file.
  [[nodiscard]] static int packets(const std::string& file) {
    int count = 0;
    std::size_t at = 0;
    while (at < file.size()) {
      std::uint32_t type = 0, size = 0;
      if (file.size() - at < 12) return -1;
      std::memcpy(&type, file.data() + at, 4);
      std::memcpy(&size, file.data() + at + 4, 4);
      if (size < 12 || size > file.size() - at) return -1;
      count += type == 6 ? 1 : 0;
      at += size;
    }
    return count;
  }
  // A query and its answer are two.
  bool has_packets(const std::string& name, int count) {
    return until([&] { return packets(content(name)) == count; });
  }
};

TEST_F(EvidenceFilesTest, FilesThatLeadElsewhereAreRefused) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  folder_.write("precious", "precious");
  folder_.write("twice", "precious");
  std::filesystem::create_symlink(folder_ / "precious", folder_ / "link");
  std::filesystem::create_hard_link(folder_ / "twice", folder_ / "again");
  for (const std::string option : {"log", "capture"}) {
    const auto wrong = [&](const std::string& path) {
      return what_is_wrong_with(option + " " + path);
    };
    EXPECT_NE(wrong(folder_ / "fifo").find("'DIR/fifo' is not a regular file"), std::string::npos)
        << wrong(folder_ / "fifo");
    EXPECT_NE(wrong(folder_ / "link").find("is a symbolic link"), std::string::npos);
    EXPECT_NE(wrong(folder_ / "again").find("has another name"), std::string::npos);
    EXPECT_NE(wrong(folder_.path()).find("is a folder"), std::string::npos);
    EXPECT_NE(wrong("/dev/null").find("is not a regular file"), std::string::npos);
  }
  EXPECT_EQ(content("precious"), "precious");
  EXPECT_EQ(content("twice"), "precious");
}

TEST_F(EvidenceFilesTest, ACaptureIsWrittenAnew) {
  folder_.write("cap", "of the run before");
  apply("capture " + (folder_ / "cap"));
  ask();
  EXPECT_TRUE(has_packets("cap", 2)) << content("cap").size();
}

TEST_F(EvidenceFilesTest, AReloadGoesOnWithTheCapture) {
  apply("capture " + (folder_ / "cap"));
  ask();
  ASSERT_TRUE(has_packets("cap", 2));
  // One that fails changes nothing.
  EXPECT_THROW(apply("names 5\ncapture " + (folder_ / "cap"), "a.test:0 {\nnonsense\n}\n"),
               ConfigError);
  EXPECT_EQ(packets(content("cap")), 2);
  ask();
  ASSERT_TRUE(has_packets("cap", 4)) << content("cap").size();
  apply("names 5\ncapture " + (folder_ / "cap"));
  ask();
  EXPECT_TRUE(has_packets("cap", 6)) << content("cap").size();
  // A file that was moved away is another one.
  std::filesystem::rename(folder_ / "cap", folder_ / "old");
  apply("names 6\ncapture " + (folder_ / "cap"));
  ask();
  EXPECT_TRUE(has_packets("cap", 2)) << content("cap").size();
  EXPECT_EQ(packets(content("old")), 6);
}

TEST_F(EvidenceFilesTest, AReloadThatFailsLeavesAnotherCaptureAlone) {
  apply("capture " + (folder_ / "cap"));
  folder_.write("other", "of the run before");
  EXPECT_THROW(apply("capture " + (folder_ / "other"), "a.test:0 {\nnonsense\n}\n"), ConfigError);
  EXPECT_EQ(content("other"), "of the run before");
}

// Keeps lines of any thread.
class Lines final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& line) override {
    text_.append(line.payload.data(), line.payload.size()).append("\n");
  }
  void flush_() override {}

 private:
  std::string text_;
};

TEST_F(EvidenceFilesTest, LinesWithoutRoomAreTold) {
  constexpr rlim_t kRoom = 256 * 1024;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const auto set_room = [&](rlim_t room) {
    const rlimit limit{room, before.rlim_max};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  const auto lines = std::make_shared<Lines>();
  const std::string line(10'000, 'x');
  {
    EvidenceFile file({folder_ / "log", {}}, EvidenceFile::Kind::Log,
                      std::make_shared<spdlog::logger>("test", lines));
    ASSERT_TRUE(set_room(kRoom));
    for (int i = 0; i < 40; ++i) file.write(line);
    EXPECT_TRUE(until([&] { return file.lost() >= 14; })) << file.lost();
    ASSERT_TRUE(set_room(before.rlim_cur));
    file.write("the last one");
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(lines->text().find("/log' cannot be written: No space left on device"),
            std::string::npos)
      << lines->text();
  // Told once, and the file has whole lines alone.
  EXPECT_EQ(lines->text().find("cannot be written"), lines->text().rfind("cannot be written"));
  std::istringstream written(content("log"));
  std::string last, gap;
  for (std::string each; std::getline(written, each);) {
    if (each.starts_with("{\"lost\":")) gap = each;
    EXPECT_TRUE(each == line || each == gap || each == "the last one") << each;
    last = each;
  }
  EXPECT_EQ(last, "the last one");
  EXPECT_NE(gap, "");
}

}  // namespace
}  // namespace clusterdns::app
