package sshtest

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// connection is one client that has logged in.
type connection struct {
	server   *Server
	link     *link
	sessions atomic.Int64
}

// open answers one request for a channel.
func (c *connection) open(req ssh.NewChannel) {
	switch req.ChannelType() {
	case "session":
		limit := int64(c.server.opts.MaxSessions)
		if c.server.sessionsRefused.Load() || limit > 0 && c.sessions.Load() >= limit {
			// What OpenSSH's serverloop.c answers.
			_ = req.Reject(ssh.ConnectionFailed, "open failed")
			return
		}
		ch, reqs, err := req.Accept()
		if err != nil {
			return
		}
		c.sessions.Add(1)
		c.server.wg.Go(func() {
			defer c.sessions.Add(-1)
			(&session{conn: c, ch: ch, ended: make(chan struct{})}).serve(reqs)
		})
	case "direct-tcpip": // RFC 4254, 7.2
		var target struct {
			Host       string
			Port       uint32
			OriginHost string
			OriginPort uint32
		}
		if ssh.Unmarshal(req.ExtraData(), &target) != nil || !loopback(target.Host) {
			_ = req.Reject(ssh.Prohibited, "only this machine")
			return
		}
		c.server.wg.Go(func() {
			c.forward(req, "tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
		})
	case "direct-streamlocal@openssh.com": // OpenSSH's PROTOCOL, 2.4
		var target struct {
			Path     string
			Reserved string
			Unused   uint32
		}
		if ssh.Unmarshal(req.ExtraData(), &target) != nil {
			_ = req.Reject(ssh.ConnectionFailed, "malformed request")
			return
		}
		c.server.wg.Go(func() { c.forward(req, "unix", target.Path) })
	default:
		_ = req.Reject(ssh.UnknownChannelType, "unknown channel type")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// forward connects a channel with a target on this machine.
func (c *connection) forward(req ssh.NewChannel, network, addr string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		_ = req.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer conn.Close()
	ch, reqs, err := req.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	go ssh.DiscardRequests(reqs)
	both := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(ch, conn)
		_ = ch.CloseWrite()
		both <- struct{}{}
	}()
	go func() {
		_, _ = io.Copy(conn, ch)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		both <- struct{}{}
	}()
	for range 2 {
		select {
		case <-both:
		case <-c.link.closed:
			return
		}
	}
}
