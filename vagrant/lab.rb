# The settings and helpers of the Vagrantfile. Settings: vagrant/lab.yaml.
require "fileutils"
require "json"
require "yaml"

class NfsimLab
  Machine = Struct.new(:name, :role, :address, :memory)

  # Setting => variable of the environment. vagrant/lab.yaml explains them.
  SETTINGS = {
    "workers" => "NFSIM_WORKERS", "cpus" => "NFSIM_CPUS", "server_memory" => "NFSIM_SERVER_MEMORY",
    "worker_memory" => "NFSIM_WORKER_MEMORY", "kubernetes" => "KUBERNETES_VERSION", "kubelet" => "KUBELET_VERSION",
    "debian" => "DEBIAN_RELEASE", "box" => "NFSIM_BOX", "network" => "NFSIM_NETWORK", "lease" => "NFSIM_LEASE",
    "accelerator" => "NFSIM_ACCELERATOR"
  }.freeze

  # What a number may be.
  RANGES = {
    "workers" => 2..8, "cpus" => 1..64, "server_memory" => 768..1_048_576, "worker_memory" => 768..1_048_576,
    "lease" => 10..3600
  }.freeze

  PATTERNS = {
    "kubernetes" => /\A(v\d+\.\d+(\.\d+)?|latest)\z/, "kubelet" => /\A(v\d+\.\d+(\.\d+)?|latest)\z/,
    "debian" => /\A(trixie|bookworm)\z/, "network" => /\A\d{1,3}\.\d{1,3}\.\d{1,3}\z/,
    "accelerator" => /\A(auto|kvm|tcg)\z/
  }.freeze

  def initialize(dir, env)
    @dir = dir
    @state = File.join(dir, ".vagrant", "nfsim")
    @settings = read(File.join(dir, "vagrant", "lab.yaml"), env)
    @once = Mutex.new
  end

  def machines
    network = @settings["network"]
    server = Machine.new("server", "server", "#{network}.10", @settings["server_memory"])
    [server] + (1..@settings["workers"]).map do |n|
      Machine.new("worker#{n}", "worker", "#{network}.#{10 + n}", @settings["worker_memory"])
    end
  end

  # Our own box, built by `make box`, unless another is asked for.
  def own_box?
    @settings["box"].nil?
  end

  def box
    @settings["box"] || "nfsim/#{@settings['debian']}"
  end

  def box_url
    own_box? ? "file://#{@dir}/vagrant/nfsim-#{@settings['debian']}.box" : nil
  end

  # Vagrant wants the archive to be there when it reads the Vagrantfile, before
  # seed makes it: until then it is empty.
  def archive(machine)
    path = File.join(@state, "#{machine.name}.tar.zst")
    unless File.exist?(path)
      FileUtils.mkdir_p(@state, mode: 0o700)
      File.open(path, File::WRONLY | File::CREAT, 0o600).close
    end
    path
  end

  # The Debian packages that a foreign box may lack: those of our own, but for
  # the kernel.
  def packages
    File.readlines(File.join(@dir, "vagrant", "box", "packages.txt"), chomp: true)
        .map { |line| line.sub(/#.*/, "").strip }.reject { |line| line.empty? || line.include?("@") }
  end

  def libvirt(libvirt, machine)
    libvirt.cpus = @settings["cpus"]
    libvirt.memory = machine.memory
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    # Power cuts here are the guest's: what it flushed is in the host's memory.
    libvirt.disk_driver cache: "unsafe"
    return if kvm?

    libvirt.driver = "qemu"
    libvirt.cpu_mode = "maximum"
  end

  def virtualbox(virtualbox, machine)
    virtualbox.cpus = @settings["cpus"]
    virtualbox.memory = machine.memory
  end

  # Makes what the machines are provisioned with, once a command and only when
  # they are about to be provisioned: keys that machines have already are kept.
  def seed
    @once.synchronize do
      return if @seeded

      @seeded = true
      if File.exist?(File.join(@state, "lab.json")) && !provisioning?
        check_seed
        return
      end
      run_seed
    end
  end

  # Removes a destroyed machine's keys, and with the last one the lab's.
  def forget(name)
    FileUtils.rm_f(File.join(@state, "#{name}.tar.zst"))
    FileUtils.rm_rf(@state) if Dir.glob(File.join(@dir, ".vagrant", "machines", "*", "*", "id")).empty?
  end

  private

  def provisioning?
    ARGV.include?("provision") || ARGV.include?("--provision")
  end

  def run_seed
    if own_box? && !File.exist?(box_url.delete_prefix("file://"))
      fail_with "the box #{box} is not built: run `make box`, or set NFSIM_BOX (vagrant/lab.yaml)"
    end
    command = [nfsim, "lab", "seed", "--out", @state, "--debian", @settings["debian"], "--lease", @settings["lease"].to_s]
    machines.each { |m| command += ["--#{m.role}", "#{m.name}=#{m.address}"] }
    %w[kubernetes kubelet].each { |k| command += ["--#{k}", @settings[k]] if @settings[k] }
    return if system(*command)

    fail_with "nfsim lab seed failed (see above); is bin/nfsim built (make build)? #{command.join(' ')}"
  end

  def fail_with(message)
    raise Vagrant::Errors::VagrantError.new, "nfsim: #{message}"
  end

  # Says what machines that are there already will not become.
  def check_seed
    made = JSON.parse(File.read(File.join(@state, "lab.json")))
    differ = machines.map(&:name) != made["machines"].map { |m| m["name"] }
    %w[kubernetes kubelet].each { |k| differ ||= ![nil, "latest", made[k]].include?(@settings[k]) }
    warn "nfsim: machines are provisioned with Kubernetes #{made['kubernetes']}, kubelet #{made['kubelet']}; " \
         "to change it: vagrant up --provision" if differ
  end

  # The nfsim command: $NFSIM, else the one built here, else that of the PATH.
  def nfsim
    built = File.join(@dir, "bin", "nfsim")
    ENV["NFSIM"] || (File.executable?(built) ? built : "nfsim")
  end

  # KVM, if it is asked for or the processor has it and the device opens: that
  # it opens does not suffice (see pkg/lab/qemu/host).
  def kvm?
    return @settings["accelerator"] == "kvm" unless @settings["accelerator"] == "auto"

    File.readable?("/dev/kvm") && File.writable?("/dev/kvm") && File.read("/proc/cpuinfo").match?(/^flags\s*:.*\b(vmx|svm)\b/)
  end

  def read(file, env)
    given = YAML.safe_load(File.read(file)) || {}
    raise "#{file}: settings are name: value lines" unless given.is_a?(Hash)

    unknown = given.keys - SETTINGS.keys
    raise "#{file}: unknown setting #{unknown.join(', ')}; there are: #{SETTINGS.keys.join(', ')}" unless unknown.empty?

    SETTINGS.to_h do |name, variable|
      value, where = env[variable].to_s.empty? ? [given[name], "#{file}: #{name}"] : [env[variable], "$#{variable}"]
      [name, checked(name, value, where)]
    end
  end

  def checked(name, value, where)
    value = nil if value.to_s.empty?
    if RANGES.key?(name)
      number = Integer(value.to_s, 10, exception: false)
      return number if number && RANGES[name].cover?(number)

      raise "#{where}: #{value.inspect} is not a number from #{RANGES[name].min} to #{RANGES[name].max}"
    end
    return value if value.nil? || !PATTERNS.key?(name) || value.to_s.match?(PATTERNS[name])

    raise "#{where}: #{value.inspect} cannot be; see vagrant/lab.yaml"
  end
end
