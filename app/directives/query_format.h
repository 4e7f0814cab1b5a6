// Text with {…} in it that stands for what is known of a query, as `log` and the `extra` of
// `dnstap` have it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/query/metadata.h"
#include "dns/query/stage.h"

namespace clusterdns::app {

class QueryFormat {
 public:
  // {common} and {combined} stand for CoreDNS's two usual ones. What is no token is text.
  // `metadata`: what {/LABEL} stands for; nullptr: nothing.
  explicit QueryFormat(std::string_view format,
                       std::shared_ptr<const dns::MetadataSource> metadata = nullptr);

  // That of a query. Without a response what is about that is "-". `worker`: whose thread this is.
  [[nodiscard]] std::string text(const dns::AnswerObserver::Event& event,
                                 unsigned worker = dns::MetadataQuery::kNoWorker) const;
  // It has no tokens.
  [[nodiscard]] bool is_constant() const noexcept { return parts_.size() == 1; }

  // What one token, without its braces, stands for.
  [[nodiscard]] static std::string value(std::string_view token,
                                         const dns::AnswerObserver::Event& event);
  // The shortest decimal text, as Go's FormatFloat(x, 'f', -1, 64).
  [[nodiscard]] static std::string seconds(std::int64_t ns);

 private:
  void add(std::string_view format);

  std::shared_ptr<const dns::MetadataSource> metadata_;
  std::vector<std::string> parts_;  // literal, token, literal, token, ...
};

inline constexpr std::string_view kCommonFormat =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} "
    "{>rflags} {rsize} {duration}";

}  // namespace clusterdns::app
