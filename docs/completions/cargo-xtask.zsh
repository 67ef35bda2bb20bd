#compdef cargo-xtask

autoload -U is-at-least

_cargo-xtask() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_cargo-xtask_commands" \
"*::: :->cargo-xtask" \
&& ret=0
    case $state in
    (cargo-xtask)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-command-$line[1]:"
        case $line[1] in
            (build-image)
_arguments "${_arguments_options[@]}" : \
'--arch=[The image'\''s architecture, instead of the recipe'\''s]:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--mirror=[The mirror of the recipe'\''s main archive]:URL:_default' \
'--output=[The folder of the image \[default\: target/images/RECIPE\]]:DIR:_files' \
'--until=[Stop after this step]:STEP:(tools packages initramfs files containers disk test)' \
'(--until --json)--break=[Open a shell in the tree after this step, then stop]:STEP:(packages files)' \
'--boot-timeout=[How long the image may take to boot]:SECONDS:_default' \
'--threads=[How many threads compress the disk \[default\: all processors\]; the result is the same]:N:_default' \
'(--update-lock)--locked[Refuse packages that differ from the lock]' \
'(--offline)--update-lock[Resolve packages anew and write the lock]' \
'--offline[Use nothing but the cache]' \
'--no-test[Do not boot the image]' \
'(--json --until)--keep-booted[Boot the image afterwards, print a ready ssh command, and run until Ctrl-C]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::recipe -- The recipe\: a name in recipes/, or a YAML file:_default' \
&& ret=0
;;
(test-image)
_arguments "${_arguments_options[@]}" : \
'--boot-timeout=[How long the image may take to boot]:SECONDS:_default' \
'--host-encoder=[A host encoder, with which the guest'\''s elements are tested too]:PROGRAM:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::dir -- The folder of the image:_files' \
&& ret=0
;;
(plan)
_arguments "${_arguments_options[@]}" : \
'--arch=[The image'\''s architecture, instead of the recipe'\''s]:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--mirror=[The mirror of the recipe'\''s main archive]:URL:_default' \
'--output=[The folder of the image \[default\: target/images/RECIPE\]]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::recipe -- The recipe\: a name in recipes/, or a YAML file:_default' \
&& ret=0
;;
(resolve)
_arguments "${_arguments_options[@]}" : \
'--arch=[The architecture of the packages, instead of the recipes'\'']:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--mirror=[The mirror of the recipes'\'' main archive]:URL:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::recipes -- The recipes\: names in recipes/ or recipes/containers/, or YAML files:_default' \
&& ret=0
;;
(inspect)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
':dir -- The folder of the image:_files' \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
':before -- The folder of the earlier image:_files' \
':after -- The folder of the later image:_files' \
&& ret=0
;;
(build-container)
_arguments "${_arguments_options[@]}" : \
'--arch=[The image'\''s architecture, instead of the recipe'\''s]:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--mirror=[The mirror of the recipe'\''s main archive]:URL:_default' \
'--output=[The folder of the layout \[default\: target/containers/RECIPE\]]:DIR:_files' \
'(--update-lock)--locked[Refuse packages that differ from the lock]' \
'(--offline)--update-lock[Resolve packages anew and write the lock]' \
'--offline[Use nothing but the cache]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':recipe -- The container recipe\: a name in recipes/containers/, or a YAML file:_default' \
&& ret=0
;;
(build-host-encoder)
_arguments "${_arguments_options[@]}" : \
'--target=[What it is built for \[default\: this machine\]]:TARGET:((aarch64-apple-darwin\:"macOS 14 and later on Apple'\''s processors"
aarch64-unknown-linux-gnu\:"Linux on 64-bit ARM"
x86_64-unknown-linux-gnu\:"Linux on 64-bit x86"))' \
'--output=[The folder; the files are in a folder of the target'\''s name in it]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(check-host-encoder)
_arguments "${_arguments_options[@]}" : \
'--program=[The daemon \[default\: what build-host-encoder made for this machine\]]:PATH:_files' \
'--encoder=[The encoder \[default\: the daemon'\''s own\]]:NAME:(videotoolbox openh264)' \
'--frames=[How many frames of each kind are encoded, once for latency and once for speed]:COUNT:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(docker-graph)
_arguments "${_arguments_options[@]}" : \
'--data-root=[The data root; no engine may be running on it]:DIR:_files' \
'--arch=[The architecture of the images \[default\: this machine'\''s\]]:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--share=[How a file that a layer does not change shares its data with the layer below]:HOW:((hardlinks\:"Names of the same inode"
reflinks\:"Shared extents, on XFS and Btrfs"
copies\:"Not at all"))' \
'--threads=[How many layers are worked on at the same time \[default\: one more than there are processors\]]:N:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::images -- The images:_default' \
&& ret=0
;;
(bundle)
_arguments "${_arguments_options[@]}" : \
'--image=[The folder of the image, which must be of arm64]:DIR:_files' \
'--sysroot=[The folder that UTM'\''s build leaves (sysroot-macOS-arm64), with its licences]:DIR:_files' \
'--vm=[How the app comes to its VM'\''s disk]:HOW:((embed\:"It is in the app"
download\:"The app loads it at its first start"))' \
'--disk-url=[Where the disk can be had, with --vm download]:URL:_default' \
'*--utm-argument=[A word that UTM adds to QEMU'\''s command line; can be given several times. UTM asks before it runs a VM that has any]:WORD:_default' \
'--output=[The folder of what is made; an earlier bundle there gives way]:DIR:_files' \
'--app-version=[The version of the app\: up to three numbers with dots between them]:VERSION:_default' \
'--certificate=[Sign the app by this certificate\: PKCS #12, or PEM with those of its authorities up to the root]:FILE:_files' \
'--certificate-key=[The key of the certificate, as PEM, where it is not in the same file]:FILE:_files' \
'--certificate-password-file=[The file with the password of that key, which can be in HELIX_CERTIFICATE_PASSWORD instead]:FILE:_files' \
'--timestamp-url=[Where timestamps come from (RFC 3161), or none; for a Developer ID they are Apple'\''s]:URL:_default' \
'--codesign=[Sign the app by Apple'\''s codesign and this identity of the keychain; only on a Mac]:IDENTITY:_default' \
'--minisign-key=[Sign all files by this secret key of minisign; its password is in HELIX_MINISIGN_PASSWORD]:FILE:_files' \
'--minisign-password-file=[The file with the password of that key]:FILE:_files' \
'--builder=[Who makes this, as a URI, for the provenance]:URI:_default' \
'--no-dmg[Make no Helix.dmg, which on Linux cannot hold a disk of 4 GiB or more]' \
'--notarize[Have Apple notarise the app; the key is in APPLE_API_KEY, APPLE_API_KEY_ID and APPLE_API_ISSUER]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(check-bundle)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'*::paths -- Apps (.app), packages (.utm) and disk images (.dmg):_files' \
&& ret=0
;;
(vm)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_cargo-xtask__subcmd__vm_commands" \
"*::: :->vm" \
&& ret=0

    case $state in
    (vm)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-vm-command-$line[1]:"
        case $line[1] in
            (up)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--image=[The folder of the image that a new VM is made from \[default\: target/images/quickstart\]]:DIR:_files' \
'--cpus=[How many processors the guest has \[default\: half of this machine'\''s, 2 at least and 8 at most\]]:N:_default' \
'--memory=[The guest'\''s memory in MiB \[default\: half of this machine'\''s, which must be 6144 at least\]]:MIB:_default' \
'--graphics-memory=[On a Mac\: how much of its memory the graphics device can show the guest, in MiB \[default\: 256 where there are 16 GiB and less, 1024 where there is more\]; a desktop takes 64 to 128]:MIB:(256 512 1024 2048 4096 8192)' \
'--host-encoder=[The host encoder \[default\: what build-host-encoder made, if it did\]]:PROGRAM:_files' \
'--boot-timeout=[How long the guest may take to boot]:SECONDS:_default' \
'--host-network-settings[Hand this computer'\''s proxy and the certificates that it trusts besides to the guest, its apt and its Docker]' \
'(--host-encoder)--no-host-encoder[Go without a host encoder]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(down)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--timeout=[How long the guest may take to power off before it is ended by force]:SECONDS:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM \[default\: all\]:_default' \
&& ret=0
;;
(du)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(ssh)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
'*::command -- What to run there, and its arguments \[default\: a shell\]:_default' \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--of=[Whose log]:WHO:((serial\:"The guest'\''s serial console"
qemu\:"QEMU"
encoder\:"The host encoder"))' \
'(--json)-f[Go on with what is added, until Ctrl-C]' \
'(--json)--follow[Go on with what is added, until Ctrl-C]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::name -- The VM:_default' \
&& ret=0
;;
(console)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(reset)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--image=[The folder of the image \[default\: the one that the VM was made from\]]:DIR:_files' \
'(--image)--roll-back[Take back the system disk from before the last reset, whose guest has not come up]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--home=[The folder of all VMs \[default\: \$XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms\]]:DIR:_files' \
'--yes[Do not ask]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
'::name -- The VM:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_cargo-xtask__subcmd__vm__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-vm-help-command-$line[1]:"
        case $line[1] in
            (up)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(down)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(du)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(ssh)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(console)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(reset)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--arch=[The architecture of the images to build]:ARCH:((arm64\:"64-bit ARM"
amd64\:"64-bit x86"))' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(cache)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_cargo-xtask__subcmd__cache_commands" \
"*::: :->cache" \
&& ret=0

    case $state in
    (cache)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-cache-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(gc)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::kind -- What to remove; everything when not given:((packages\:"Package files"
trees\:"Trees, and what was made from them"
tools\:"Tools trees"
blobs\:"Artifacts"))' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_cargo-xtask__subcmd__cache__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-cache-help-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(gc)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(bench)
_arguments "${_arguments_options[@]}" : \
'--recipe=[The recipe]:RECIPE:_default' \
'--at-most=[With \`build\`\: stop the alternative after N times our own time, and say that it took longer]:N:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':what -- What to measure:((qcow2\:"Writing a qcow2, against qemu-img convert"
build\:"A cold build, against mmdebstrap, mke2fs and qemu-img"
docker-graph\:"An image into a data root, against docker load"
steps\:"A build with one changed file, one with nothing changed, and the peak of memory"
encode\:"Frames to the host'\''s encoder and back, against encoders in one process"
bundle\:"An app of 800 MB assembled and signed, against copying and hashing it once"
vm\:"\`vm up\`, against the same QEMU started by hand"))' \
&& ret=0
;;
(test)
_arguments "${_arguments_options[@]}" : \
'*--only=[Run only these parts]:PART:((lint\:"Formatting and clippy"
generated\:"Generated files"
unit\:"Unit and integration tests of the crates"
deny\:"Licences, bans, sources and advisories of dependencies"
fuzz\:"The fuzz targets, for a short while each"
image\:"The quickstart image\: a real build, booted and checked"
machine\:"The machine runner, with a real QEMU"
docker\:"Data roots of \`docker-graph\`, with real engines of three ages; needs root"
faults\:"Faults, locks and interruptions, with archives made by the test"
ubuntu\:"The Ubuntu recipes, with an archive of Ubuntu'\''s shape made by the test"
kill\:"A build killed at many random points"
vm\:"The VM'\''s life\: a real guest started, logged in to, reset, shut down; and faults"
mac\:"The host encoder for a Mac\: built twice, compared byte for byte, inspected; faults are found"
bundle\:"Helix.app and helix-linux.utm from a small sysroot\: made twice, read back, spoilt; and faults"
twice\:"Two builds in different surroundings, compared byte for byte"))' \
'--kills=[How many points of a build the kill test tries]:N:_default' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(generate)
_arguments "${_arguments_options[@]}" : \
'--check[Fail when a generated file is not up to date]' \
'--json[Print one JSON document to standard output; progress stays on standard error]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_cargo-xtask__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-help-command-$line[1]:"
        case $line[1] in
            (build-image)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(test-image)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(plan)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(resolve)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(inspect)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(build-container)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(build-host-encoder)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check-host-encoder)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(docker-graph)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(bundle)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check-bundle)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(vm)
_arguments "${_arguments_options[@]}" : \
":: :_cargo-xtask__subcmd__help__subcmd__vm_commands" \
"*::: :->vm" \
&& ret=0

    case $state in
    (vm)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-help-vm-command-$line[1]:"
        case $line[1] in
            (up)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(down)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(du)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(ssh)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(console)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(reset)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(cache)
_arguments "${_arguments_options[@]}" : \
":: :_cargo-xtask__subcmd__help__subcmd__cache_commands" \
"*::: :->cache" \
&& ret=0

    case $state in
    (cache)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:cargo-xtask-help-cache-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(gc)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(bench)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(test)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(generate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_cargo-xtask_commands] )) ||
_cargo-xtask_commands() {
    local commands; commands=(
'build-image:Build an image from a recipe, boot it and run its checks' \
'test-image:Boot an image that was built and run its checks' \
'plan:Show the steps of a build, which are cached, and what changed in the others' \
'resolve:Solve the packages of recipes and write their locks, without building anything' \
'inspect:Show what an image is and verify its files' \
'diff:Compare two images\: packages, files, size' \
'build-container:Build a container image from a container recipe, as an OCI layout' \
'build-host-encoder:Build the host encoder\: the daemon and the library for C, for this machine or for a Mac' \
'check-host-encoder:Encode known frames with the host encoder, decode them with ffmpeg, and measure quality, latency and speed' \
'docker-graph:Put container images into a Docker data root on the vfs driver, without an engine' \
'bundle:Make Helix.app and helix-linux.utm of an image, signed, packed, with digests and provenance beside' \
'check-bundle:Say what is wrong with an app and its signatures, a package for UTM or a disk image' \
'vm:Start an image as a VM that stays, keep its data, log in, shut it down' \
'doctor:Say what this machine lacks for building images' \
'schema:Print the JSON schema of recipes' \
'cache:Look after the cache' \
'bench:Measure against the alternatives, side by side' \
'test:Run all tests of the project' \
'generate:Write the generated files\: schema, recipe reference, exit codes, man pages, completions' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__bench_commands] )) ||
_cargo-xtask__subcmd__bench_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask bench commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__build-container_commands] )) ||
_cargo-xtask__subcmd__build-container_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask build-container commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__build-host-encoder_commands] )) ||
_cargo-xtask__subcmd__build-host-encoder_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask build-host-encoder commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__build-image_commands] )) ||
_cargo-xtask__subcmd__build-image_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask build-image commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__bundle_commands] )) ||
_cargo-xtask__subcmd__bundle_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask bundle commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache_commands] )) ||
_cargo-xtask__subcmd__cache_commands() {
    local commands; commands=(
'ls:List what is in the cache' \
'gc:Remove what was not used for 30 days, and what killed builds left' \
'rm:Remove one kind of entries, or everything' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask cache commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__gc_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__gc_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache gc commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__help_commands() {
    local commands; commands=(
'ls:List what is in the cache' \
'gc:Remove what was not used for 30 days, and what killed builds left' \
'rm:Remove one kind of entries, or everything' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask cache help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__help__subcmd__gc_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__help__subcmd__gc_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache help gc commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__help__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache help help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__help__subcmd__ls_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__help__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache help ls commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__help__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__help__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache help rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__ls_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache ls commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__cache__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__cache__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask cache rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__check-bundle_commands] )) ||
_cargo-xtask__subcmd__check-bundle_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask check-bundle commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__check-host-encoder_commands] )) ||
_cargo-xtask__subcmd__check-host-encoder_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask check-host-encoder commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__diff_commands] )) ||
_cargo-xtask__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask diff commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__docker-graph_commands] )) ||
_cargo-xtask__subcmd__docker-graph_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask docker-graph commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__doctor_commands] )) ||
_cargo-xtask__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask doctor commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__generate_commands] )) ||
_cargo-xtask__subcmd__generate_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask generate commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__help_commands() {
    local commands; commands=(
'build-image:Build an image from a recipe, boot it and run its checks' \
'test-image:Boot an image that was built and run its checks' \
'plan:Show the steps of a build, which are cached, and what changed in the others' \
'resolve:Solve the packages of recipes and write their locks, without building anything' \
'inspect:Show what an image is and verify its files' \
'diff:Compare two images\: packages, files, size' \
'build-container:Build a container image from a container recipe, as an OCI layout' \
'build-host-encoder:Build the host encoder\: the daemon and the library for C, for this machine or for a Mac' \
'check-host-encoder:Encode known frames with the host encoder, decode them with ffmpeg, and measure quality, latency and speed' \
'docker-graph:Put container images into a Docker data root on the vfs driver, without an engine' \
'bundle:Make Helix.app and helix-linux.utm of an image, signed, packed, with digests and provenance beside' \
'check-bundle:Say what is wrong with an app and its signatures, a package for UTM or a disk image' \
'vm:Start an image as a VM that stays, keep its data, log in, shut it down' \
'doctor:Say what this machine lacks for building images' \
'schema:Print the JSON schema of recipes' \
'cache:Look after the cache' \
'bench:Measure against the alternatives, side by side' \
'test:Run all tests of the project' \
'generate:Write the generated files\: schema, recipe reference, exit codes, man pages, completions' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__bench_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__bench_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help bench commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__build-container_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__build-container_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help build-container commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__build-host-encoder_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__build-host-encoder_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help build-host-encoder commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__build-image_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__build-image_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help build-image commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__bundle_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__bundle_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help bundle commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__cache_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__cache_commands() {
    local commands; commands=(
'ls:List what is in the cache' \
'gc:Remove what was not used for 30 days, and what killed builds left' \
'rm:Remove one kind of entries, or everything' \
    )
    _describe -t commands 'cargo-xtask help cache commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__cache__subcmd__gc_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__cache__subcmd__gc_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help cache gc commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__cache__subcmd__ls_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__cache__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help cache ls commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__cache__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__cache__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help cache rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__check-bundle_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__check-bundle_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help check-bundle commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__check-host-encoder_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__check-host-encoder_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help check-host-encoder commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__diff_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help diff commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__docker-graph_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__docker-graph_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help docker-graph commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__doctor_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help doctor commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__generate_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__generate_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help generate commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__inspect_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__inspect_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help inspect commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__plan_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__plan_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help plan commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__resolve_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__resolve_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help resolve commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__schema_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help schema commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__test_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__test_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help test commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__test-image_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__test-image_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help test-image commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm_commands() {
    local commands; commands=(
'up:Make a VM where there is none, start it, and wait until the guest is ready' \
'down:Shut a VM down\: by its agent, then by the power button, then by force' \
'status:Say what VMs there are and what they are doing' \
'du:Say what the disks of a VM take on this computer and in the guest' \
'ssh:Log in to a VM by SSH, or run a command there' \
'logs:Show what the guest wrote to its serial console, or what QEMU or the host encoder said' \
'console:Sit at a VM'\''s serial console; Ctrl-\] leaves' \
'reset:Give a VM a fresh system disk from an image; its data disk stays' \
'rm:Delete a VM with all its disks' \
    )
    _describe -t commands 'cargo-xtask help vm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__console_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__console_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm console commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__down_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__down_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm down commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__du_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__du_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm du commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__logs_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__logs_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm logs commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__reset_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__reset_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm reset commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__ssh_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__ssh_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm ssh commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__status_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm status commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__help__subcmd__vm__subcmd__up_commands] )) ||
_cargo-xtask__subcmd__help__subcmd__vm__subcmd__up_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask help vm up commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__inspect_commands] )) ||
_cargo-xtask__subcmd__inspect_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask inspect commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__plan_commands] )) ||
_cargo-xtask__subcmd__plan_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask plan commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__resolve_commands] )) ||
_cargo-xtask__subcmd__resolve_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask resolve commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__schema_commands] )) ||
_cargo-xtask__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask schema commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__test_commands] )) ||
_cargo-xtask__subcmd__test_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask test commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__test-image_commands] )) ||
_cargo-xtask__subcmd__test-image_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask test-image commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm_commands] )) ||
_cargo-xtask__subcmd__vm_commands() {
    local commands; commands=(
'up:Make a VM where there is none, start it, and wait until the guest is ready' \
'down:Shut a VM down\: by its agent, then by the power button, then by force' \
'status:Say what VMs there are and what they are doing' \
'du:Say what the disks of a VM take on this computer and in the guest' \
'ssh:Log in to a VM by SSH, or run a command there' \
'logs:Show what the guest wrote to its serial console, or what QEMU or the host encoder said' \
'console:Sit at a VM'\''s serial console; Ctrl-\] leaves' \
'reset:Give a VM a fresh system disk from an image; its data disk stays' \
'rm:Delete a VM with all its disks' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask vm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__console_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__console_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm console commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__down_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__down_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm down commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__du_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__du_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm du commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help_commands() {
    local commands; commands=(
'up:Make a VM where there is none, start it, and wait until the guest is ready' \
'down:Shut a VM down\: by its agent, then by the power button, then by force' \
'status:Say what VMs there are and what they are doing' \
'du:Say what the disks of a VM take on this computer and in the guest' \
'ssh:Log in to a VM by SSH, or run a command there' \
'logs:Show what the guest wrote to its serial console, or what QEMU or the host encoder said' \
'console:Sit at a VM'\''s serial console; Ctrl-\] leaves' \
'reset:Give a VM a fresh system disk from an image; its data disk stays' \
'rm:Delete a VM with all its disks' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'cargo-xtask vm help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__console_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__console_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help console commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__down_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__down_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help down commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__du_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__du_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help du commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__help_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help help commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__logs_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__logs_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help logs commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__reset_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__reset_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help reset commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__ssh_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__ssh_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help ssh commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__status_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help status commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__help__subcmd__up_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__help__subcmd__up_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm help up commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__logs_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__logs_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm logs commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__reset_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__reset_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm reset commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__rm_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm rm commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__ssh_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__ssh_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm ssh commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__status_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm status commands' commands "$@"
}
(( $+functions[_cargo-xtask__subcmd__vm__subcmd__up_commands] )) ||
_cargo-xtask__subcmd__vm__subcmd__up_commands() {
    local commands; commands=()
    _describe -t commands 'cargo-xtask vm up commands' commands "$@"
}

if [ "$funcstack[1]" = "_cargo-xtask" ]; then
    _cargo-xtask "$@"
else
    compdef _cargo-xtask cargo-xtask
fi
