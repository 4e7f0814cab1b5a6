// The directive `tls` and tls:// zones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::app {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TlsDirectiveTest : public ::testing::Test {
 protected:
  TlsDirectiveTest() {
    for (const char* name : {"a", "b"}) {
      const auto identity = registry::kubernetes::testing::make_identity(-1, 30);
      folder_.write(std::string(name) + ".pem", identity.certificate);
      folder_.write(std::string(name) + ".key", identity.key);
    }
  }
  // `tls` with these words in a block of `keys`.
  std::string block(const std::string& keys, const std::string& tls = "a.pem a.key") const {
    return keys + " {\nroot " + (folder_ / "") + "\n" + (tls.empty() ? "" : "tls " + tls + "\n") +
           "whoami\n}\n";
  }
  static std::vector<std::string> problems_of(const std::string& text) {
    Problems problems;
    const Corefile corefile = parse_corefile(text, "f", {}, problems);
    if (corefile.whole) check_corefile(corefile, 53, CheckPlace::Here, problems);
    std::vector<std::string> texts;
    for (const Problem& problem : problems.sorted()) texts.push_back(to_string(problem));
    return texts;
  }

  const Folder folder_;
};

TEST_F(TlsDirectiveTest, ServesWhatIsWhole) {
  EXPECT_THAT(problems_of(block("tls://.:0")), IsEmpty());
  EXPECT_THAT(problems_of(block(".:0 tls://.:0 tls://a.test")), IsEmpty());
  EXPECT_THAT(problems_of(block("tls://.", "a.pem a.key a.pem {\nclient_auth require\n}")),
              IsEmpty());
}

TEST_F(TlsDirectiveTest, NeverWithoutACertificate) {
  EXPECT_THAT(problems_of(block("tls://.:0", "")),
              ElementsAre("f:1:1: tls:// needs a certificate and its key; write `tls CERT KEY` in "
                          "the server block"));
  // Told once.
  EXPECT_THAT(problems_of(block("tls://.:0", "a.pem b.key")),
              ElementsAre(HasSubstr("f:3:1: tls: the key cannot be read, or is not the")));
  EXPECT_THAT(problems_of(block("tls://.:0", "{\nacme dns.test\n}")),
              ElementsAre(HasSubstr("needs a certificate and its key; write `tls CERT KEY`")));
}

TEST_F(TlsDirectiveTest, WithoutAZoneItSaysThatItDoesNothing) {
  EXPECT_THAT(problems_of(block(".:0")),
              ElementsAre("f:3:1: tls: is without effect: no zone of the server block is served "
                          "over TLS; write tls:// before one, as in tls://."));
}

TEST_F(TlsDirectiveTest, OneAddressShowsOneCertificate) {
  EXPECT_THAT(problems_of(block("tls://a.test:8853") + block("tls://b.test:8853")), IsEmpty());
  const auto problems =
      problems_of(block("tls://a.test:8853") + block("tls://b.test:8853", "b.pem b.key"));
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems, Each(HasSubstr("f:6:1: another server block has another `tls` for the "
                                       "same address and port")));
}

TEST_F(TlsDirectiveTest, APortIsEitherWithTlsOrWithout) {
  EXPECT_THAT(problems_of(block("tls://.:8853 .:8853")),
              Contains(HasSubstr("is served both with TLS and without")));
}

TEST_F(TlsDirectiveTest, HttpsNeedsItToo) {
  EXPECT_THAT(problems_of(block(".:0 tls://.:0 https://.:0 https://a.test")), IsEmpty());
  EXPECT_THAT(problems_of(block("https://.:0", "")),
              ElementsAre("f:1:1: https:// needs a certificate and its key; write `tls CERT KEY` "
                          "in the server block"));
  EXPECT_THAT(problems_of(block("https://.:8853 .:8853")),
              Contains(HasSubstr("is served both with TLS and without")));
  EXPECT_THAT(problems_of(block("https://.:8853 tls://.:8853")),
              Contains(HasSubstr("is served both as tls:// and as https://")));
  EXPECT_THAT(problems_of(block("quic://.:8853")),
              Contains(HasSubstr("'quic://' is not supported; let a proxy")));
}

TEST_F(TlsDirectiveTest, HttpsSaysItsBoundsOnce) {
  const auto with = [this](const std::string& keys, const std::string& https) {
    return block(keys, "a.pem a.key\nhttps {\n" + https + "\n}");
  };
  EXPECT_THAT(
      problems_of(with("https://a.test:8853", "max_streams 5") +
                  with("https://b.test:8853", "max_streams 5") + block("https://c.test:8853")),
      IsEmpty());
  EXPECT_THAT(problems_of(with("https://a.test:8853", "max_streams 5") +
                          with("https://b.test:8853", "max_streams 6")),
              Contains(HasSubstr("another server block has another `https` for the same address")));
  EXPECT_THAT(problems_of(with("tls://a.test:8853", "max_streams 5")),
              ElementsAre(HasSubstr("https: is without effect: no zone of the server block is "
                                    "served over HTTPS; write https:// before one")));
}

}  // namespace
}  // namespace clusterdns::app
