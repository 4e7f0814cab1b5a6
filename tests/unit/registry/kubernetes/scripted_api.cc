#include "tests/unit/registry/kubernetes/scripted_api.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace clusterdns::registry::kubernetes::testing {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

void Exchange::reply(unsigned status, const std::string& body, const Headers& more) {
  std::string text = "HTTP/1.1 " + std::to_string(status) +
                     " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  bool typed = false;
  for (const auto& [name, value] : more) {
    text += name + ": " + value + "\r\n";
    typed = typed || name == "Content-Type";
  }
  if (!typed) text += "Content-Type: application/json\r\n";
  send(text + "\r\n" + body);
}

void Exchange::begin(const std::string& content_type) {
  send("HTTP/1.1 200 OK\r\nContent-Type: " + content_type +
       "\r\nTransfer-Encoding: chunked\r\n\r\n");
}

void Exchange::chunk(const std::string& data) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  send(size + data + "\r\n");
}

void Exchange::finish() { send("0\r\n\r\n"); }

Identity make_identity(int valid_from_days, int valid_to_days) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  constexpr long kDay = 24L * 3600;
  X509_gmtime_adj(X509_getm_notBefore(cert), valid_from_days * kDay);
  X509_gmtime_adj(X509_getm_notAfter(cert), valid_to_days * kDay);
  X509_set_pubkey(cert, key);
  X509_NAME* const name = X509_get_subject_name(cert);
  const std::string common = "scripted";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common.data()), -1, -1, 0);
  X509_set_issuer_name(cert, name);
  for (const auto& [nid, value] :
       {std::pair<int, const char*>{NID_basic_constraints, "critical,CA:TRUE"},
        std::pair<int, const char*>{NID_subject_alt_name, "IP:127.0.0.1,DNS:kubernetes"}}) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(cert, key, EVP_sha256());
  const auto pem = [](auto write) {
    BIO* const bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  };
  Identity identity;
  identity.certificate = pem([&](BIO* bio) { PEM_write_bio_X509(bio, cert); });
  identity.key = pem(
      [&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(cert);
  EVP_PKEY_free(key);
  return identity;
}

namespace {

std::string decode(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

class ScriptedApi::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(ScriptedApi& api, tcp::socket socket) : api_(api), socket_(std::move(socket)) {
    if (api.tls_) stream_ = std::make_unique<asio::ssl::stream<tcp::socket&>>(socket_, *api.tls_);
  }

  void start() {
    if (!stream_) return read();
    stream_->async_handshake(asio::ssl::stream_base::server,
                             [self = shared_from_this()](const error_code& error) {
                               if (!error) self->read();
                             });
  }

  void send(const std::string& raw) {
    if (!socket_.is_open()) return;
    out_.push_back(raw);
    if (out_.size() == 1) write();
  }

  void drop() {
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
    gone_ = true;
  }
  [[nodiscard]] bool open() const { return socket_.is_open() && !gone_; }

 private:
  class Open final : public Exchange {
   public:
    explicit Open(std::shared_ptr<Session> session) : session_(std::move(session)) {}
    void send(const std::string& raw) override { session_->send(raw); }
    void drop() override { session_->drop(); }
    [[nodiscard]] bool open() const override { return session_->open(); }

   private:
    std::shared_ptr<Session> session_;
  };

  void read() {
    const auto done = [self = shared_from_this()](const error_code& error, std::size_t size) {
      if (error) {
        self->gone_ = true;
        return;
      }
      self->request(self->in_.substr(0, size));
      self->in_.erase(0, size);
      self->read();
    };
    if (stream_) {
      asio::async_read_until(*stream_, asio::dynamic_buffer(in_), "\r\n\r\n", done);
    } else {
      asio::async_read_until(socket_, asio::dynamic_buffer(in_), "\r\n\r\n", done);
    }
  }

  void request(const std::string& head) {
    auto exchange = std::make_shared<Open>(shared_from_this());
    const std::size_t from = head.find(' ') + 1;
    std::string target = head.substr(from, head.find(' ', from) - from);
    const std::size_t mark = target.find('?');
    exchange->path = target.substr(0, mark);
    if (mark != std::string::npos) {
      std::string rest = target.substr(mark + 1);
      for (std::size_t at = 0; at < rest.size();) {
        const std::size_t end = std::min(rest.find('&', at), rest.size());
        const std::string pair = rest.substr(at, end - at);
        const std::size_t equal = pair.find('=');
        exchange->query[pair.substr(0, equal)] = decode(pair.substr(equal + 1));
        at = end + 1;
      }
    }
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t end = head.find("\r\n", at);
      const std::string line = head.substr(at, end - at);
      at = end + 2;
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      exchange->headers[name] = line.substr(colon + 2);
    }
    api_.handler(exchange);
  }

  void write() {
    const auto done = [self = shared_from_this()](const error_code& error, std::size_t) {
      if (error) {
        self->gone_ = true;
        self->out_.clear();
        return;
      }
      self->out_.pop_front();
      if (!self->out_.empty()) self->write();
    };
    if (stream_) {
      asio::async_write(*stream_, asio::buffer(out_.front()), done);
    } else {
      asio::async_write(socket_, asio::buffer(out_.front()), done);
    }
  }

  ScriptedApi& api_;
  tcp::socket socket_;
  std::unique_ptr<asio::ssl::stream<tcp::socket&>> stream_;
  std::string in_;
  std::deque<std::string> out_;
  bool gone_ = false;
};

ScriptedApi::ScriptedApi(asio::io_context& io, const Identity* identity) : io_(io) {
  if (identity != nullptr) {
    tls_ = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(identity->certificate));
    tls_->use_private_key(asio::buffer(identity->key), asio::ssl::context::pem);
  }
  listen();
}

ScriptedApi::~ScriptedApi() { shut(); }

void ScriptedApi::listen() {
  acceptor_ =
      std::make_unique<tcp::acceptor>(io_, tcp::endpoint(asio::ip::address_v4::loopback(), port_));
  port_ = acceptor_->local_endpoint().port();
  accept();
}

void ScriptedApi::shut() {
  acceptor_.reset();
  for (const auto& weak : sessions_) {
    if (const auto session = weak.lock()) session->drop();
  }
  sessions_.clear();
}

void ScriptedApi::accept() {
  acceptor_->async_accept([this](const error_code& error, tcp::socket socket) {
    if (error) return;
    ++connections_;
    const auto session = std::make_shared<Session>(*this, std::move(socket));
    sessions_.push_back(session);
    session->start();
    accept();
  });
}

FakeCluster::FakeCluster(asio::io_context& io, ScriptedApi& api) : io_(io) {
  api.handler = [this](const std::shared_ptr<Exchange>& exchange) { serve(exchange); };
}

std::string FakeCluster::stamped(const std::string& key, const std::string& body,
                                 std::uint64_t at) const {
  const std::size_t slash = key.find('/');
  const std::string ns = slash == std::string::npos ? "" : key.substr(0, slash);
  const std::string name = slash == std::string::npos ? key : key.substr(slash + 1);
  std::string text = body;
  std::string metadata = R"("name":")" + name + R"(","namespace":")" + ns +
                         R"(","resourceVersion":")" + std::to_string(at) + "\"";
  const std::string marker = R"("metadata":{)";
  const std::size_t place = text.find(marker);
  if (place == std::string::npos) {
    return R"({"metadata":{)" + metadata + "}" + (text.size() > 2 ? "," : "") + text.substr(1);
  }
  const bool empty = text[place + marker.size()] == '}';
  return text.insert(place + marker.size(), metadata + (empty ? "" : ","));
}

void FakeCluster::put(const std::string& path, const std::string& key, const std::string& body) {
  objects_[path][key] = {body, ++version};
}

void FakeCluster::remove(const std::string& path, const std::string& key) {
  objects_[path].erase(key);
  ++version;
}

void FakeCluster::update(const std::string& path, const std::string& key, const std::string& body) {
  const bool there = objects_[path].contains(key);
  put(path, key, body);
  tell(path, std::string(R"({"type":")") + (there ? "MODIFIED" : "ADDED") + R"(","object":)" +
                 stamped(key, body, version) + "}\n");
}

void FakeCluster::erase(const std::string& path, const std::string& key) {
  const std::string body = objects_[path][key].first;
  remove(path, key);
  tell(path, R"({"type":"DELETED","object":)" + stamped(key, body, version) + "}\n");
}

void FakeCluster::tell(const std::string& path, const std::string& event) {
  auto& open = open_[path];
  std::erase_if(open, [](const auto& exchange) { return !exchange->open(); });
  for (const auto& exchange : open) exchange->chunk(event);
}

void FakeCluster::serve(const std::shared_ptr<Exchange>& exchange) {
  const bool watching = exchange->query.contains("watch");
  const bool streamed = exchange->query.contains("sendInitialEvents");
  ++(watching && !streamed ? watches : lists)[exchange->path];
  if (instead && instead(exchange)) return;
  const auto& objects = objects_[exchange->path];
  if (streamed && !streams_lists) {
    return exchange->reply(
        422, R"({"kind":"Status","code":422,"message":"sendInitialEvents is forbidden"})");
  }
  if (streamed) {
    exchange->begin();
    for (const std::string& object : odd[exchange->path]) {
      exchange->chunk(R"({"type":"ADDED","object":)" + object + "}\n");
    }
    for (const auto& [key, object] : objects) {
      exchange->chunk(R"({"type":"ADDED","object":)" + stamped(key, object.first, object.second) +
                      "}\n");
    }
    exchange->chunk(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" +
                    std::to_string(version) +
                    R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})"
                    "\n");
    return watch(exchange);
  }
  if (watching) {
    exchange->begin();
    return watch(exchange);
  }
  const std::size_t from = exchange->query.contains("continue")
                               ? static_cast<std::size_t>(std::stoul(exchange->query["continue"]))
                               : 0;
  std::string items;
  if (from == 0) {
    for (const std::string& object : odd[exchange->path])
      items += (items.empty() ? "" : ",") + object;
  }
  std::size_t i = 0;
  for (const auto& [key, object] : objects) {
    if (i >= from && i < from + page) {
      items += (items.empty() ? "" : ",") + stamped(key, object.first, object.second);
    }
    ++i;
  }
  const std::string next =
      i > from + page ? R"(,"continue":")" + std::to_string(from + page) + "\"" : "";
  exchange->reply(200, R"({"kind":"List","metadata":{"resourceVersion":")" +
                           std::to_string(version) + "\"" + next + R"(},"items":[)" + items + "]}");
}

void FakeCluster::watch(const std::shared_ptr<Exchange>& exchange) {
  auto& open = open_[exchange->path];
  open.push_back(exchange);
  if (!ends_watches) return;
  const auto timer = std::make_shared<asio::steady_timer>(io_);
  timer->expires_after(std::chrono::seconds(std::stoi(exchange->query["timeoutSeconds"])));
  timer->async_wait([this, exchange, timer](const error_code& error) {
    if (error || !exchange->open()) return;
    auto& watchers = open_[exchange->path];
    if (std::erase(watchers, exchange) == 0) return;
    exchange->chunk(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" +
                    std::to_string(version) + "\"}}}\n");
    exchange->finish();
  });
}

}  // namespace clusterdns::registry::kubernetes::testing
