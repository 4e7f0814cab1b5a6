// Mutated packets over UDP and TCP. CLUSTERDNS_MUTATIONS sets how many (default 100,000; the long
// run of CI uses 1,000,000 under AddressSanitizer). Whatever the server answers must decode, and it
// must go on answering and end cleanly, which is where sanitizers report.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

constexpr long kDefaultMutations = 100000;
// Datagrams sent before a good question is asked and awaited, so that no buffer overflows.
constexpr int kBatch = 64;
constexpr int kMessagesPerConnection = 32;

long mutations() {
  const char* text = std::getenv("CLUSTERDNS_MUTATIONS");
  return text == nullptr ? kDefaultMutations : std::max(1L, std::atol(text));
}

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {
    const std::vector<std::pair<std::string, std::string>> questions{
        {"web.conf.svc.cluster.local.", "A"},
        {"dual.conf.svc.cluster.local.", "AAAA"},
        {"peers.conf.svc.cluster.local.", "A"},
        {"big.conf.svc.cluster.local.", "SRV"},
        {"_http._tcp.web.conf.svc.cluster.local.", "SRV"},
        {"peer-0.peers.conf.svc.cluster.local.", "A"},
        {"10-244-21-2.anon.conf.svc.cluster.local.", "A"},
        {"10-1-2-3.conf.pod.cluster.local.", "A"},
        {"2001-db8--1.conf.pod.cluster.local.", "AAAA"},
        {"ext-chain.conf.svc.cluster.local.", "A"},
        {"ext-loop-a.conf.svc.cluster.local.", "A"},
        {"ext-dangling.conf.svc.cluster.local.", "TXT"},
        {"1.10.96.10.in-addr.arpa.", "PTR"},
        {"2.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.", "PTR"},
        {"dns-version.cluster.local.", "TXT"},
        {"cluster.local.", "SOA"},
        {"cluster.local.", "NS"},
        {"nothing.conf.svc.cluster.local.", "A"},
        {"web.", "A"},
        {"example.com.", "MX"},
        {".", "NS"}};
    for (const auto& [name, type] : questions) {
      seeds_.push_back(encode(Query{.name = name, .type = type, .id = 1}));
      seeds_.push_back(encode(Query{
          .name = name,
          .type = type,
          .edns = Edns{.options = {{10, {1, 2, 3, 4, 5, 6, 7, 8}}, {8, {0, 1, 24, 0, 192, 0, 2}}}},
          .id = 2}));
    }
  }

  Octets next() {
    Octets packet = seeds_[pick(seeds_.size())];
    const std::size_t changes = 1 + pick(4);
    for (std::size_t i = 0; i < changes; ++i) {
      change(packet);
    }
    return packet;
  }

  std::size_t pick(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

 private:
  void change(Octets& packet) {
    static constexpr std::uint8_t kInteresting[] = {0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80,
                                                    0xBF, 0xC0, 0xC0, 0x0C, 0xFF};
    if (packet.empty()) {
      packet.push_back(static_cast<std::uint8_t>(pick(256)));
      return;
    }
    const std::size_t at = pick(packet.size());
    switch (pick(10)) {
      case 0: packet[at] ^= static_cast<std::uint8_t>(1U << pick(8)); break;
      case 1: packet[at] = static_cast<std::uint8_t>(pick(256)); break;
      case 2: packet[at] = kInteresting[pick(std::size(kInteresting))]; break;
      case 3: packet.resize(at); break;
      case 4:
        packet.insert(packet.begin() + static_cast<std::ptrdiff_t>(at), pick(40) + 1,
                      static_cast<std::uint8_t>(pick(256)));
        break;
      case 5:
        packet.erase(packet.begin() + static_cast<std::ptrdiff_t>(at),
                     packet.begin() + static_cast<std::ptrdiff_t>(
                                          at + std::min(packet.size() - at, 1 + pick(16))));
        break;
      case 6: {  // splice with another seed
        const Octets& other = seeds_[pick(seeds_.size())];
        packet.resize(at);
        packet.insert(packet.end(), other.begin() + static_cast<std::ptrdiff_t>(pick(other.size())),
                      other.end());
        break;
      }
      case 7:  // header: counts, flags
        packet[std::min(packet.size() - 1, pick(12))] = static_cast<std::uint8_t>(pick(256));
        break;
      case 8: {  // a pointer somewhere
        packet[at] = static_cast<std::uint8_t>(0xC0 | pick(4));
        break;
      }
      default: {  // repeat a piece, which makes long names and many records
        const std::size_t length = std::min(packet.size() - at, 1 + pick(64));
        const Octets piece(packet.begin() + static_cast<std::ptrdiff_t>(at),
                           packet.begin() + static_cast<std::ptrdiff_t>(at + length));
        for (std::size_t n = pick(8); n-- > 0 && packet.size() < 1400;) {
          packet.insert(packet.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(),
                        piece.end());
        }
        break;
      }
    }
  }

  std::mt19937 random_;
  std::vector<Octets> seeds_;
};

class Robustness : public Integration {
 protected:
  void SetUp() override {
    // Every stage in the way: search, cluster, forwarding into nothing.
    serve_corefile(
        ".:0 {\n  bind 127.0.0.1\n  errors\n  search\n"
        "  kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
        "    manifests " CLUSTERDNS_CONFORMANCE_DATA "\n    pods insecure\n  }\n}\n");
    seed_ = std::random_device{}();
    RecordProperty("seed", static_cast<int>(seed_));
    if (const char* text = std::getenv("CLUSTERDNS_MUTATION_SEED")) {
      seed_ = static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
    }
  }
  // Shown on failure, to run the same again.
  std::string seed_text() const { return "CLUSTERDNS_MUTATION_SEED=" + std::to_string(seed_); }

  void check_answer(std::span<const std::uint8_t> answer) {
    try {
      const Message message = decode(answer);
      EXPECT_TRUE(message.has(kFlagQR)) << message.text();
    } catch (const DecodeError& error) {
      ADD_FAILURE() << error.what() << ", " << seed_text();
    }
  }
  void expect_still_answering() {
    EXPECT_EQ(addresses("web.conf.svc.cluster.local."), (std::vector<std::string>{"10.96.10.1"}));
    EXPECT_EQ(ask_tcp(endpoint(), Query{.name = "big.conf.svc.cluster.local."}).answer.size(),
              120U);
  }

  std::uint32_t seed_ = 0;
};

TEST_F(Robustness, MutatedDatagrams) {
  Mutator mutator(seed_);
  UdpClient client(endpoint());
  const long total = mutations();
  // An ID that mutations hardly ever make.
  constexpr std::uint16_t kGoodId = 0xBEEF;
  const Octets good = encode(Query{.name = "web.conf.svc.cluster.local.", .id = kGoodId});
  for (long sent = 0; sent < total && !HasFailure(); sent += kBatch) {
    std::vector<Octets> packets;
    for (int i = 0; i < kBatch - 1; ++i) {
      packets.push_back(mutator.next());
    }
    packets.push_back(good);
    std::vector<iovec> parts;
    std::vector<mmsghdr> batch(packets.size());
    parts.reserve(packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i) {
      parts.push_back({packets[i].data(), packets[i].size()});
      batch[i].msg_hdr.msg_iov = &parts[i];
      batch[i].msg_hdr.msg_iovlen = 1;
    }
    std::size_t done = 0;
    while (done < batch.size()) {
      const int count = ::sendmmsg(client.descriptor(), batch.data() + done,
                                   static_cast<unsigned>(batch.size() - done), 0);
      ASSERT_GT(count, 0) << server_->output();
      done += static_cast<std::size_t>(count);
    }
    for (;;) {
      const auto answer = client.receive(Deadline::after(kAnswerTimeout));
      ASSERT_TRUE(answer.has_value()) << "stopped answering after " << sent << " datagrams, "
                                      << seed_text() << server_->output();
      check_answer(*answer);
      if (answer->size() > 2 && ((*answer)[0] << 8 | (*answer)[1]) == kGoodId) {
        break;
      }
    }
  }
  expect_still_answering();
  stop();
}

TEST_F(Robustness, MutatedStreams) {
  Mutator mutator(seed_);
  // Connections cost more than datagrams.
  const long total = std::max(1L, mutations() / 10);
  for (long sent = 0; sent < total && !HasFailure(); sent += kMessagesPerConnection) {
    TcpClient client(endpoint());
    Octets stream;
    for (int i = 0; i < kMessagesPerConnection; ++i) {
      Octets one = framed(mutator.next());
      if (mutator.pick(16) == 0) {
        one[mutator.pick(2)] = static_cast<std::uint8_t>(mutator.pick(256));  // the length lies
      }
      stream.insert(stream.end(), one.begin(), one.end());
    }
    try {
      client.send_raw(stream);
      ::shutdown(client.descriptor(), SHUT_WR);
      while (const auto answer = client.receive(Deadline::after(kAnswerTimeout))) {
        check_answer(*answer);
      }
    } catch (const TestError& error) {
      // The server may close at the first message that is none, also while we write.
      const std::string what = error.what();
      EXPECT_TRUE(what.find("in time") == std::string::npos &&
                  what.find("does not read") == std::string::npos)
          << what << ", " << seed_text() << server_->output();
    }
  }
  expect_still_answering();
  stop();
}

}  // namespace
}  // namespace clusterdns::test
