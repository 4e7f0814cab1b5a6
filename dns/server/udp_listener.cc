#include "dns/server/udp_listener.h"

#include <netinet/in.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "dns/net/endpoint.h"

namespace clusterdns::dns {
namespace {

void store_endpoint(const sockaddr_storage& from, Endpoint& to) noexcept {
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    std::memcpy(to.address.data(), &v4.sin_addr, 4);
    std::memset(to.address.data() + 4, 0, 12);
    to.port = ntohs(v4.sin_port);
    to.v6 = false;
    to.scope_id = 0;
  } else {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof v6);
    std::memcpy(to.address.data(), &v6.sin6_addr, 16);
    to.port = ntohs(v6.sin6_port);
    to.v6 = true;
    to.scope_id = v6.sin6_scope_id;
  }
}

// A datagram that is answered later: whom to answer, by value.
class UdpReply final : public ReplyChannel {
 public:
  UdpReply(std::shared_ptr<UdpReplies> replies, const msghdr& header)
      : replies_(std::move(replies)),
        name_size_(header.msg_namelen),
        control_size_(header.msg_controllen) {
    std::memcpy(&name_, header.msg_name, name_size_);
    if (control_size_ != 0) std::memcpy(control_, header.msg_control, control_size_);
  }
  void send(std::span<const std::uint8_t> message) noexcept override {
    replies_->add(make_header(), message);
  }
  void send_oddly(std::span<const std::uint8_t> message, const OddSending& how) noexcept override {
    replies_->send_alone(make_header(), message, how.other_port);
  }

 private:
  [[nodiscard]] msghdr make_header() noexcept {
    msghdr header{};
    header.msg_name = &name_;
    header.msg_namelen = name_size_;
    header.msg_control = control_size_ != 0 ? control_ : nullptr;
    header.msg_controllen = control_size_;
    return header;
  }

  std::shared_ptr<UdpReplies> replies_;
  sockaddr_storage name_{};
  socklen_t name_size_;
  alignas(cmsghdr) std::uint8_t control_[UdpReplies::kControlRoom];
  std::size_t control_size_;
};

}  // namespace

UdpListener::UdpListener(Worker& worker, const ListenAddress& address, Descriptor socket,
                         const ListenerRoutes& routes)
    : worker_(worker),
      address_(address),
      socket_(*worker.context().io),
      fd_(socket.get()),
      wildcard_(address.address.is_unspecified()),
      local_(make_endpoint(address.address, address.port)),
      routes_(&routes),
      // Not zeroed: pages are touched only when datagrams fill them.
      buffers_(std::make_unique_for_overwrite<Buffers>()),
      merger_(fd_),
      rest_timer_(*worker.context().io),
      replies_(std::make_shared<UdpReplies>(*worker.context().io, fd_)) {
  socket_.assign(address.address.is_v6() ? boost::asio::ip::udp::v6() : boost::asio::ip::udp::v4(),
                 fd_);
  (void)socket.release();
  Buffers& b = *buffers_;
  for (unsigned i = 0; i < kBatch; ++i) {
    b.in_vec[i] = {b.request[i], kMaxUdpRequest};
    b.in[i] = {};
    b.in[i].msg_hdr.msg_name = &b.peer[i];
    b.in[i].msg_hdr.msg_namelen = sizeof b.peer[i];
    b.in[i].msg_hdr.msg_iov = &b.in_vec[i];
    b.in[i].msg_hdr.msg_iovlen = 1;
    if (wildcard_) {
      b.in[i].msg_hdr.msg_control = b.control[i];
      b.in[i].msg_hdr.msg_controllen = kControlRoom;
    }
    b.out[i] = {};
    b.out[i].msg_hdr.msg_iov = &b.out_vec[i];
    b.out[i].msg_hdr.msg_iovlen = 1;
  }
}

UdpListener::~UdpListener() { replies_->close(); }

void UdpListener::wait() {
  socket_.async_wait(boost::asio::ip::udp::socket::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (error) return;  // closed
                       waiting_ = false;
                       if (serve(kBatchesPerTurn) == Left::Failed) return rest();
                       wait();
                     });
  waiting_ = true;
}

void UdpListener::rest() {
  rest_timer_.expires_after(kRest);
  rest_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    wait();
  });
  waiting_ = true;
}

void UdpListener::read_endpoints(unsigned i, Exchange& exchange) const noexcept {
  const Buffers& b = *buffers_;
  store_endpoint(b.peer[i], exchange.client);
  if (!wildcard_) return;
  if ((b.in[i].msg_hdr.msg_flags & MSG_CTRUNC) != 0) [[unlikely]] {
    // Part of a message is worse than none: then the route decides on the address, too.
    buffers_->in[i].msg_hdr.msg_controllen = 0;
    return;
  }
  // The address that was asked, for the reply (the kernel takes it from the control data) and for
  // stages that care.
  const msghdr& header = b.in[i].msg_hdr;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&header), c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(exchange.local.address.data(), &info.ipi_addr, 4);
      // Reply from the asked address, which is what ipi_spec_dst holds; when a broadcast was asked,
      // it is the interface's own. The route decides on the interface.
      info.ipi_ifindex = 0;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(exchange.local.address.data(), &info.ipi6_addr, 16);
      if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) {
        info.ipi6_addr = in6addr_any;  // no source for an answer: the interface has one
      } else if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
        info.ipi6_ifindex = 0;
      }
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    }
  }
}

UdpListener::Left UdpListener::serve(unsigned batches) noexcept {
  // The scratch of the worker, and all that a batch refers to, would be written over.
  assert(!worker_.reclaim().inside(worker_.context().index) && "a batch inside another");
  Buffers& b = *buffers_;
  Exchange& exchange = worker_.scratch();
  for (unsigned round = 0; round < batches; ++round) {
    // What upstreams said meanwhile does not wait for more than one batch.
    replies_->flush();
    const int received = ::recvmmsg(fd_, b.in.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (received <= 0) {
      // Nothing there, or a datagram that turned out to be damaged. ECONNABORTED comes once, when
      // somebody ends the socket from outside (`ss -K`).
      const bool usual = received == 0 || errno == EAGAIN || errno == EWOULDBLOCK ||
                         errno == EINTR || errno == ECONNABORTED;
      return usual ? Left::Nothing : Left::Failed;
    }
    exchange.received_ns = monotonic_ns();
    exchange.transport = Transport::Udp;
    exchange.worker = &worker_.context();
    exchange.make_channel = &UdpListener::make_channel;
    exchange.local = local_;
    unsigned answers = 0;
    std::uint8_t* place_for_response = b.responses;
    worker_.reclaim().enter(worker_.context().index);
    for (unsigned i = 0; i < static_cast<unsigned>(received); ++i) {
      msghdr& header = b.in[i].msg_hdr;
      read_endpoints(i, exchange);
      // Nobody can be answered there (RFC 6335 6), and the kernel refuses to.
      if (exchange.client.port == 0) [[unlikely]]
        continue;
      const std::span<const std::uint8_t> request(b.request[i], b.in[i].msg_len);
      // What make_channel needs to know.
      struct Place {
        UdpListener* self;
        const msghdr* header;
      } place{this, &header};
      exchange.listener = &place;
      const std::size_t size =
          (header.msg_flags & MSG_TRUNC) == 0
              ? respond(exchange, *routes_, request, place_for_response, kResponseRoom)
              : respond_malformed(exchange, *routes_, request, place_for_response, kResponseRoom);
      if (size == 0) continue;
      mmsghdr& out = b.out[answers];
      b.out_vec[answers] = {place_for_response, size};
      out.msg_hdr.msg_name = header.msg_name;
      out.msg_hdr.msg_namelen = header.msg_namelen;
      if (wildcard_) {
        out.msg_hdr.msg_control = header.msg_control;
        out.msg_hdr.msg_controllen = header.msg_controllen;
      }
      ++answers;
      place_for_response += (size + 63) & ~std::size_t{63};
      if (place_for_response + kResponseRoom > b.responses + kResponsesRoom) [[unlikely]] {
        send(answers);
        answers = 0;
        place_for_response = b.responses;
      }
    }
    worker_.reclaim().leave(worker_.context().index);
    worker_.end_batch(exchange.received_ns, static_cast<unsigned>(received));
    // The peers' addresses must stay until it is sent.
    send(answers);
    // The kernel has written the lengths that it filled.
    for (unsigned i = 0; i < static_cast<unsigned>(received); ++i) {
      msghdr& header = b.in[i].msg_hdr;
      header.msg_namelen = sizeof b.peer[i];
      if (wildcard_) header.msg_controllen = kControlRoom;
    }
    // One alone is a quiet time: waiting costs what looking again would. After several, more have
    // come meanwhile, as a rule, and looking is cheaper than going through the reactor.
    if (received == 1) return Left::Nothing;
  }
  return Left::More;
}

std::unique_ptr<ReplyChannel> UdpListener::make_channel(void* place_pointer) {
  struct Place {
    UdpListener* self;
    const msghdr* header;
  };
  const auto* const place = static_cast<const Place*>(place_pointer);
  return std::make_unique<UdpReply>(place->self->replies_, *place->header);
}

}  // namespace clusterdns::dns
