use Fcntl; use IO::Handle; $| = 1;
my ($path, @flags) = @ARGV;
my %o = (rdonly => O_RDONLY, wronly => O_WRONLY, rdwr => O_RDWR, creat => O_CREAT, excl => O_EXCL, trunc => O_TRUNC, append => O_APPEND, sync => O_SYNC, dsync => O_DSYNC, direct => O_DIRECT);
my ($mode, $every) = (0, 0);
for (@flags) { if (/^every=(.+)/) { $every = $1 } else { $mode |= $o{$_} } }
sysopen(my $h, $path, $mode, 0666) or print("open: $!\n"), exit 1;
sub look { sysseek($h, 0, 0); my $n = sysread($h, my $b, 1 << 20); return "read: $!" unless defined $n; $b =~ s/\0//g; my ($t) = $b =~ /^(.{0,100})/; return "$t ($n bytes)" }
if ($every) { while (print look(), "\n") { select(undef, undef, undef, $every) } }
print "open\n";
while (my $line = <STDIN>) {
  my ($do, @a) = split " ", $line; my $ok = 1; my $said = "";
  if ($do eq "write") { sysseek($h, $a[2] || 0, 0) unless $mode & O_APPEND; $ok = defined syswrite($h, substr("$a[0]\n" x $a[1], 0, $a[1])) }
  elsif ($do eq "read") { $said = look() }
  elsif ($do eq "fsync") { $ok = $h->sync }
  elsif ($do eq "stat") { my @s = stat $h; $ok = @s; $said = "$s[7] bytes, $s[3] links" }
  elsif ($do eq "truncate") { $ok = truncate $h, $a[0] }
  elsif ($do eq "lock" && $a[0] eq "flock") { my %t = (read => 1, write => 2, unlock => 8); $ok = flock $h, $t{$a[1]} | ($a[2] ? 0 : 4) }
  elsif ($do eq "lock") {
    my %t = (read => 0, write => 1, unlock => 2); my $c = ($a[0] eq "ofd" ? 37 : 6) + ($a[2] ? 1 : 0);
    my $l = pack "s s x4 q q l x4", $t{$a[1]}, 0, 0, 0, 0; $ok = fcntl $h, $c, $l
  }
  elsif ($do eq "close") { $ok = close $h }
  print join(" ", $do, @a), ": ", ($ok ? "ok $said" : "$!"), "\n";
}
