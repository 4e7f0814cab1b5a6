// Which handler a method and a path lead to.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns::app {

// Paths are whole ones, or end with "/*", which stands for whatever a path of that beginning has
// behind it. HEAD goes where GET does (RFC 9110 9.3.2).
template <typename Handler>
class HttpRouter {
 public:
  void add(std::string_view method, std::string path, Handler handler) {
    paths_[std::move(path)].emplace_back(method, std::move(handler));
  }

  struct Match {
    const Handler* handler = nullptr;  // nullptr: none
    bool known = false;                // the path is, with whatever method
    std::string allow = {};            // of a known path: its methods
  };
  [[nodiscard]] Match find(std::string_view method, std::string_view path) const {
    Match match;
    auto at = paths_.find(path);
    if (const std::size_t slash = path.rfind('/');
        at == paths_.end() && slash != std::string_view::npos && slash + 1 < path.size()) {
      // The longest beginning wins.
      for (std::size_t end = slash; at == paths_.end() && end != std::string_view::npos && end > 0;
           end = path.rfind('/', end - 1)) {
        at = paths_.find(std::string(path.substr(0, end)) + "/*");
      }
    }
    if (at == paths_.end()) return match;
    match.known = true;
    for (const auto& [known, handler] : at->second) {
      match.allow += (match.allow.empty() ? "" : ", ") + known;
      if (known == "GET") match.allow += ", HEAD";
      if (method == known || (method == "HEAD" && known == "GET")) match.handler = &handler;
    }
    match.allow += ", OPTIONS";
    return match;
  }

 private:
  std::map<std::string, std::vector<std::pair<std::string, Handler>>, std::less<>> paths_;
};

}  // namespace clusterdns::app
