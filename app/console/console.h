// The console of one address: its page, and the API behind it. See docs/directives/console.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/admin/http_message.h"
#include "app/admin/plan.h"
#include "app/admin/router.h"
#include "app/console/api.h"
#include "app/console/gate.h"

namespace clusterdns::app {

// Called on the HTTP thread. Checks in this order: Host, method and path, token, Origin, what may
// be changed; the body is read after that.
class Console final : public HttpApp {
 public:
  // `before`: the one that served this address until now, whose sessions go on; or nullptr.
  Console(const ConsolePlan& plan, std::shared_ptr<ConsoleApi> api, const Console* before);

  std::optional<HttpReply> check(const HttpRequest& head) override;
  [[nodiscard]] std::size_t body_limit(const HttpRequest& head) const override;
  void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) override;
  [[nodiscard]] HttpReply refusal(unsigned status, std::string why) const override;
  void complete(HttpReply& reply) const override;

 private:
  struct Target {
    enum class Kind : std::uint8_t { File, Api, Login, Openapi };
    Kind kind = Kind::Api;
    std::size_t file = 0;  // index in page_files()
    ConsoleApi::Action action = nullptr;
    bool edits = false;
  };

  Gate gate_;
  HttpRouter<Target> router_;
  const std::shared_ptr<ConsoleApi> api_;
};

}  // namespace clusterdns::app
