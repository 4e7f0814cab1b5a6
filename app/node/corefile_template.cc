#include "app/node/corefile_template.h"

#include <algorithm>

#include "app/corefile/error.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kBegin = "__PILLAR__";
constexpr std::string_view kLocal = "__PILLAR__LOCAL__DNS__";
constexpr std::string_view kServer = "__PILLAR__DNS__SERVER__";
constexpr std::string_view kCluster = "__PILLAR__CLUSTER__DNS__";
constexpr std::string_view kUpstream = "__PILLAR__UPSTREAM__SERVERS__";
constexpr std::string_view kDomain = "__PILLAR__DNS__DOMAIN__";
constexpr std::string_view kSpace = " \t\r\n";
constexpr int kStubTtl = 30;

// A word that is none of ours, as people would recognise it.
std::string_view word_at(std::string_view text) {
  const auto end = std::find_if(text.begin(), text.end(), [](char c) {
    return c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9');
  });
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

class Filler {
 public:
  Filler(std::string_view text, const std::string& file, const TemplateValues& values)
      : text_(text), file_(file), values_(values) {
    for (const registry::IpAddress& address : values.local) {
      local_ += (local_.empty() ? "" : " ") + address.to_string();
    }
    for (const std::string& server : values.kube_dns.upstreams) {
      upstreams_ += (upstreams_.empty() ? "" : " ") + server;
    }
  }

  std::string run() {
    std::size_t at = 0;
    for (std::size_t next; (next = text_.find(kBegin, at)) != std::string_view::npos;) {
      result_ += text_.substr(at, next - at);
      at = next + replace(next);
    }
    result_ += text_.substr(at);
    for (const auto& [domain, servers] : values_.kube_dns.stub_domains) {
      result_ += "\n" + domain + ":" + std::to_string(values_.port) + " {\n    errors\n    cache " +
                 std::to_string(kStubTtl) + "\n    bind " + local_ + "\n    forward .";
      for (const std::string& server : servers) result_ += " " + server;
      result_ += "\n}\n";
    }
    return std::move(result_);
  }

 private:
  // Writes what the word there stands for; how much of the text that replaces.
  std::size_t replace(std::size_t at) {
    const std::string_view rest = text_.substr(at);
    if (rest.starts_with(kLocal)) {
      result_ += local_;
      return kLocal.size();
    }
    // Those of our addresses that this one would be are among the others.
    if (rest.starts_with(kServer)) return kServer.size();
    if (rest.starts_with(kCluster)) {
      if (values_.cluster_dns) {
        result_ += values_.cluster_dns->to_string();
      } else if (in_comment(at)) {
        result_ += kCluster;
      } else {
        refuse(at, std::string(kCluster) + " is the address of the service " +
                       in_quotes(values_.service) + ", and " + service_variable(values_.service) +
                       " is not set; name a service of the pod's namespace that was there before "
                       "the pod with -upstreamsvc, or write its address here");
      }
      return kCluster.size();
    }
    if (rest.starts_with(kUpstream)) {
      if (upstreams_.empty()) {
        result_ += "/etc/resolv.conf";
        return kUpstream.size();
      }
      result_ += upstreams_;
      return kUpstream.size() + forced_tcp(rest.substr(kUpstream.size()));
    }
    const std::string_view word = word_at(rest);
    if (!in_comment(at)) {
      refuse(at,
             in_quotes(word) +
                 (word == kDomain ? " is left over from the manifest; write the cluster's "
                                    "domain here, cluster.local"
                                  : " means nothing here; known are " + std::string(kLocal) + ", " +
                                        std::string(kServer) + ", " + std::string(kCluster) +
                                        " and " + std::string(kUpstream)));
    }
    result_ += word;
    return word.size();
  }

  // How long `{ force_tcp }` behind a word is, when it is there; its line ends stay.
  std::size_t forced_tcp(std::string_view rest) {
    std::size_t at = 0;
    for (const std::string_view word : {"{", "force_tcp", "}"}) {
      at = rest.find_first_not_of(kSpace, at);
      if (at == std::string_view::npos || !rest.substr(at).starts_with(word)) return 0;
      if (word == "{" && rest.substr(0, at).find('\n') != std::string_view::npos) return 0;
      at += word.size();
    }
    const std::string_view block = rest.substr(0, at);
    result_.append(static_cast<std::size_t>(std::count(block.begin(), block.end(), '\n')), '\n');
    return at;
  }

  [[nodiscard]] bool in_comment(std::size_t at) const {
    const std::size_t line = text_.rfind('\n', at) + 1;  // npos + 1 is the beginning
    for (std::size_t i = line; i < at; ++i) {
      if (text_[i] == '#' && (i == line || kSpace.find(text_[i - 1]) != std::string_view::npos)) {
        return true;
      }
    }
    return false;
  }

  [[noreturn]] void refuse(std::size_t at, const std::string& message) const {
    const std::string_view before = text_.substr(0, at);
    const std::size_t line = before.rfind('\n') + 1;
    // Characters, not octets.
    const auto column = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line),
                                      before.end(), [](char c) { return (c & 0xc0) != 0x80; });
    Position position{file_, static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
                      static_cast<int>(column) + 1};
    throw ConfigError(std::move(position), message);
  }

  std::string_view text_;
  const std::string& file_;
  const TemplateValues& values_;
  std::string local_, upstreams_, result_;
};

}  // namespace

std::string fill_template(std::string_view text, const std::string& file,
                          const TemplateValues& values) {
  return Filler(text, file, values).run();
}

std::string service_variable(std::string_view service) {
  std::string name;
  for (const char c : service) {
    name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name + "_SERVICE_HOST";
}

}  // namespace clusterdns::app
