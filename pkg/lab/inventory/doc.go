// Package inventory is a lab of your own machines, as a YAML file lists them:
//
//	name: rack4                       # optional; default: the file's name
//	kubeconfig: rack4.kubeconfig      # an administrator's, as it works from here
//	context: admin@rack4              # optional
//	ssh:                              # optional: what machines have in common
//	  user: root                      # another user needs sudo without a password
//	  key: ~/.ssh/id_ed25519          # without it: the keys of the ssh-agent
//	  known_hosts: ~/.ssh/known_hosts # or, per machine, host_key
//	  jump: {host: bastion.example.org, user: ops}
//	machines:
//	- name: nfs1                      # as its Kubernetes node is called, if it is one
//	  role: server                    # exactly one
//	  address: 10.0.0.1               # what the other machines reach it at
//	  export: /srv/nfsim              # optional: directory to make exports below
//	  disruptive: true                # required: nfsim may break it
//	- name: node1
//	  role: worker                    # at least two
//	  address: 10.0.0.11
//	  ssh: {host: 192.0.2.11, port: 2222, host_key: ssh-ed25519 AAAA...}
//	  kubelet_unit: k3s-agent         # optional; default kubelet
//	  power: ipmitool -H bmc11 chassis power cycle # optional: run here, by sh -c
//	  disruptive: true
//
// Paths may begin with ~/ and are relative to the file.
//
//	l, err := inventory.Open(ctx, "rack4.yaml", log.Printf)
//	err = l.(lab.Readiness).AwaitReady(ctx, log.Printf)
package inventory
