#include "app/console/subscribers.h"

#include "app/base/json.h"

namespace clusterdns::app {

void Subscribers::add(const HttpRequest& request, HttpResponder& responder) {
  Subscriber subscriber;
  subscriber.lines = accepts(request.header_or_empty("accept"), "application/x-ndjson");
  HttpReply head{200, "", subscriber.lines ? "application/x-ndjson" : "text/event-stream"};
  head.headers.emplace_back("Cache-Control", "no-store");
  if (request.is_head()) return responder.reply(std::move(head));
  // What waits in a proxy's buffer is not live.
  head.headers.emplace_back("X-Accel-Buffering", "no");
  const std::string idle = subscriber.lines ? "\n" : ":\n\n";
  subscriber.stream = responder.stream(std::move(head), idle);
  // So that its client knows at once that it is on.
  (void)subscriber.stream->write(idle);
  all_.push_back(std::move(subscriber));
}

bool Subscribers::write(Subscriber& to, const std::string& json) {
  return to.stream->write(to.lines ? json + "\n" : "data: " + json + "\n\n");
}

void Subscribers::tell(const boost::json::object& event) {
  const std::string json = json_line(event);
  for (Subscriber& each : all_) {
    if (each.dropped != 0 && write(each, json_line({{"dropped", each.dropped}}))) each.dropped = 0;
    if (each.dropped != 0 || !write(each, json)) ++each.dropped;
  }
  prune();
}

void Subscribers::prune() {
  std::erase_if(all_, [](const Subscriber& each) { return each.stream->closed(); });
}

void Subscribers::close() {
  for (const Subscriber& each : all_) each.stream->close();
  all_.clear();
}

}  // namespace clusterdns::app
