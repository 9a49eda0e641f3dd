package cluster

// commonFiles are those that every machine has.
func commonFiles(v view, keys sshKeys, agent []byte) ([]File, error) {
	files, err := renderAll([]rendered{
		{"hostname", "/etc/hostname", 0o644},
		{"hosts", "/etc/hosts", 0o644},
		{"sshd.conf", "/etc/ssh/sshd_config.d/10-nfsim.conf", 0o644},
		{"networkd.conf", "/etc/systemd/networkd.conf.d/nfsim.conf", 0o644},
		{"sysctl.conf", "/etc/sysctl.d/60-nfsim.conf", 0o644},
		{"lockd-sysctl.conf", "/etc/sysctl.d/61-nfsim-lockd.conf", 0o644},
		{"lockd-modprobe.conf", "/etc/modprobe.d/nfsim-lockd.conf", 0o644},
		{"nfs.conf", "/etc/nfs.conf.d/nfsim.conf", 0o644},
		{"nfsim-network.service", "/etc/systemd/system/nfsim-network.service", 0o644},
		{"nfsim-timers.service", "/etc/systemd/system/nfsim-timers.service", 0o644},
	}, v)
	if err != nil {
		return nil, err
	}
	host := keys.hosts[v.Machine.Name]
	public, err := HostKey{host.public}.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(files,
		directory("/root/.ssh", 0o700),
		text("/root/.ssh/authorized_keys", 0o600, keys.allowed),
		secret("/etc/ssh/ssh_host_ed25519_key", host.private),
		text("/etc/ssh/ssh_host_ed25519_key.pub", 0o644, string(public)+" "+v.Machine.Name+"\n"),
		File{Path: agentPath, Mode: 0o755, Content: agent},
		enable("nfsim-network.service"),
		enableEarly("nfsim-timers.service"),
		enablePackaged("rpcbind.socket", "sockets.target"),
		enablePackaged("rpc-statd.service", "multi-user.target"),
	), nil
}

// agentPath is where pkg/agent looks for the agent before it uploads its own.
const agentPath = "/usr/local/bin/nfsim-agent"
