// `clusterdns replay`: captures in, differences out.
#include <fstream>
#include <iterator>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

void put32(Octets& to, std::uint32_t number, bool big) {
  for (int i = 0; i < 4; ++i) {
    to.push_back(static_cast<std::uint8_t>(number >> (big ? 24 - 8 * i : 8 * i)));
  }
}

// A packet of raw IP over UDP between two ports of loopback.
Octets packet(const Octets& message, std::uint16_t from, std::uint16_t to) {
  WireWriter out;
  out.u8(0x45).u8(0).u16(static_cast<unsigned>(28 + message.size())).u32(0).u8(64).u8(17).u16(0);
  out.raw(Octets{127, 0, 0, 1}).raw(Octets{127, 0, 0, 1});
  out.u16(from).u16(to).u16(static_cast<unsigned>(8 + message.size())).u16(0).raw(message);
  return out.out;
}

class Replay : public Integration {
 protected:
  void SetUp() override {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n  synthetic bench.test\n  fault fault.test\n}\n");
  }
  // A pcap file of queries and the answers that the server gives to them now.
  Octets pcap(const std::vector<std::string>& names, bool big, bool nanoseconds) {
    Octets file;
    put32(file, nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4, big);
    put32(file, big ? 0x00020004 : 0x00040002, big);
    for (const std::uint32_t number : {0U, 0U, 65535U, 101U}) put32(file, number, big);
    std::uint16_t port = 2000;
    for (const std::string& name : names) {
      const Octets query = encode({.name = name, .id = 77});
      UdpClient client(endpoint());
      client.send(query);
      const auto answer = client.receive(Deadline::after(kAnswerTimeout));
      ++port;
      for (const Octets& octets : {packet(query, port, 53), packet(*answer, 53, port)}) {
        put32(file, 1000, big);
        put32(file, port, big);
        put32(file, static_cast<std::uint32_t>(octets.size()), big);
        put32(file, static_cast<std::uint32_t>(octets.size()), big);
        file.insert(file.end(), octets.begin(), octets.end());
      }
    }
    return file;
  }
  RunResult replay(const Octets& file, std::vector<std::string> more = {}) {
    const auto path = directory_.path() / "capture";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.data()),
               static_cast<std::streamsize>(file.size()));
    ProcessOptions options;
    options.arguments = {"replay", path.string()};
    if (more.empty()) more = {"--server", endpoint().text()};
    options.arguments.insert(options.arguments.end(), more.begin(), more.end());
    return run(options, std::chrono::seconds(30));
  }
};

TEST_F(Replay, TheSameAnswersAreTheSame) {
  for (const bool big : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      const RunResult result = replay(
          pcap({"a.bench.test", "a3.b.bench.test", "servfail.x.fault.test"}, big, nanoseconds));
      EXPECT_EQ(result.exit_code, 0) << result.standard_output << result.standard_error;
      EXPECT_EQ(result.standard_output, "3 queries, 3 answered, 3 compared, 0 differ, 0 missing\n");
    }
  }
}

TEST_F(Replay, WhatDiffersIsNamed) {
  // The first query of a name is SERVFAIL, the second is not.
  const RunResult result = replay(pcap({"f1-servfail.x.fault.test", "b.bench.test"}, false, false));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.standard_output.find("f1-servfail.x.fault.test. A: SERVFAIL became NOERROR"),
            std::string::npos)
      << result.standard_output;
  EXPECT_TRUE(
      result.standard_output.ends_with("2 queries, 2 answered, 2 compared, 1 differ, 0 missing\n"));
}

// What `evidence` has captured, UDP and TCP, comes out the same.
TEST_F(Replay, ACaptureOfOurOwn) {
  stop();
  const auto path = directory_.path() / "evidence.pcapng";
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  workers 1\n  synthetic bench.test\n  fault fault.test\n  "
      "evidence {\n"
      "    capture " +
      path.string() + "\n  }\n}\n");
  (void)ask("a.bench.test");
  (void)ask("d30-servfail.x.fault.test");
  (void)ask_tcp(endpoint(), {.name = "a9.b.bench.test"});
  UdpClient client(endpoint());
  client.send(encode({.name = "drop.x.fault.test"}));
  EXPECT_EQ(client.receive(Deadline::exactly(std::chrono::milliseconds(300))), std::nullopt);
  (void)ask("c.bench.test");
  stop();
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(text.find("labels: d30 servfail"), std::string::npos);
  EXPECT_NE(text.find("labels: drop"), std::string::npos);
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  synthetic bench.test\n  fault fault.test\n}\n");
  const RunResult result = replay(Octets(text.begin(), text.end()));
  EXPECT_EQ(result.exit_code, 0) << result.standard_output << result.standard_error;
  EXPECT_EQ(result.standard_output, "5 queries, 4 answered, 4 compared, 0 differ, 0 missing\n");
}

TEST_F(Replay, WhatCannotBeReplayed) {
  EXPECT_EQ(replay({'n', 'o', 't', 'h', 'i', 'n', 'g'}).exit_code, 2);
  EXPECT_EQ(replay({}).exit_code, 2);
  Octets cut = pcap({"a.bench.test"}, false, false);
  cut.pop_back();
  EXPECT_EQ(replay(cut).exit_code, 2);
  EXPECT_EQ(replay(pcap({"a.bench.test"}, false, false), {"--server", "192.0.2.1:53"}).exit_code,
            2);
}

}  // namespace
}  // namespace clusterdns::test
