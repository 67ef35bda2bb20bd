# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_cargo_xtask_global_optspecs
    string join \n json h/help V/version
end

function __fish_cargo_xtask_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_cargo_xtask_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_cargo_xtask_using_subcommand
    set -l cmd (__fish_cargo_xtask_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -s V -l version -d 'Print version'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "build-image" -d 'Build an image from a recipe, boot it and run its checks'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "test-image" -d 'Boot an image that was built and run its checks'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "plan" -d 'Show the steps of a build, which are cached, and what changed in the others'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "resolve" -d 'Solve the packages of recipes and write their locks, without building anything'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "inspect" -d 'Show what an image is and verify its files'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "diff" -d 'Compare two images: packages, files, size'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "build-container" -d 'Build a container image from a container recipe, as an OCI layout'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "build-host-encoder" -d 'Build the host encoder: the daemon and the library for C, for this machine or for a Mac'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "check-host-encoder" -d 'Encode known frames with the host encoder, decode them with ffmpeg, and measure quality, latency and speed'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "docker-graph" -d 'Put container images into a Docker data root on the vfs driver, without an engine'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "bundle" -d 'Make Helix.app and helix-linux.utm of an image, signed, packed, with digests and provenance beside'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "check-bundle" -d 'Say what is wrong with an app and its signatures, a package for UTM or a disk image'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "vm" -d 'Start an image as a VM that stays, keep its data, log in, shut it down'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "doctor" -d 'Say what this machine lacks for building images'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "schema" -d 'Print the JSON schema of recipes'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "cache" -d 'Look after the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "bench" -d 'Measure against the alternatives, side by side'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "test" -d 'Run all tests of the project'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "generate" -d 'Write the generated files: schema, recipe reference, exit codes, man pages, completions'
complete -c cargo-xtask -n "__fish_cargo_xtask_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l arch -d 'The image\'s architecture, instead of the recipe\'s' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l mirror -d 'The mirror of the recipe\'s main archive' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l output -d 'The folder of the image [default: target/images/RECIPE]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l until -d 'Stop after this step' -r -f -a "tools\t''
packages\t''
initramfs\t''
files\t''
containers\t''
disk\t''
test\t''"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l break -d 'Open a shell in the tree after this step, then stop' -r -f -a "packages\t''
files\t''"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l boot-timeout -d 'How long the image may take to boot' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l threads -d 'How many threads compress the disk [default: all processors]; the result is the same' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l locked -d 'Refuse packages that differ from the lock'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l update-lock -d 'Resolve packages anew and write the lock'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l offline -d 'Use nothing but the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l no-test -d 'Do not boot the image'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l keep-booted -d 'Boot the image afterwards, print a ready ssh command, and run until Ctrl-C'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-image" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test-image" -l boot-timeout -d 'How long the image may take to boot' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test-image" -l host-encoder -d 'A host encoder, with which the guest\'s elements are tested too' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test-image" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test-image" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand plan" -l arch -d 'The image\'s architecture, instead of the recipe\'s' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand plan" -l mirror -d 'The mirror of the recipe\'s main archive' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand plan" -l output -d 'The folder of the image [default: target/images/RECIPE]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand plan" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand resolve" -l arch -d 'The architecture of the packages, instead of the recipes\'' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand resolve" -l mirror -d 'The mirror of the recipes\' main archive' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand resolve" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand inspect" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand diff" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand diff" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l arch -d 'The image\'s architecture, instead of the recipe\'s' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l mirror -d 'The mirror of the recipe\'s main archive' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l output -d 'The folder of the layout [default: target/containers/RECIPE]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l locked -d 'Refuse packages that differ from the lock'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l update-lock -d 'Resolve packages anew and write the lock'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l offline -d 'Use nothing but the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-container" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-host-encoder" -l target -d 'What it is built for [default: this machine]' -r -f -a "aarch64-apple-darwin\t'macOS 14 and later on Apple\'s processors'
aarch64-unknown-linux-gnu\t'Linux on 64-bit ARM'
x86_64-unknown-linux-gnu\t'Linux on 64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-host-encoder" -l output -d 'The folder; the files are in a folder of the target\'s name in it' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-host-encoder" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand build-host-encoder" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-host-encoder" -l program -d 'The daemon [default: what build-host-encoder made for this machine]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-host-encoder" -l encoder -d 'The encoder [default: the daemon\'s own]' -r -f -a "videotoolbox\t''
openh264\t''"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-host-encoder" -l frames -d 'How many frames of each kind are encoded, once for latency and once for speed' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-host-encoder" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-host-encoder" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -l data-root -d 'The data root; no engine may be running on it' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -l arch -d 'The architecture of the images [default: this machine\'s]' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -l share -d 'How a file that a layer does not change shares its data with the layer below' -r -f -a "hardlinks\t'Names of the same inode'
reflinks\t'Shared extents, on XFS and Btrfs'
copies\t'Not at all'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -l threads -d 'How many layers are worked on at the same time [default: one more than there are processors]' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand docker-graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l image -d 'The folder of the image, which must be of arm64' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l sysroot -d 'The folder that UTM\'s build leaves (sysroot-macOS-arm64), with its licences' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l vm -d 'How the app comes to its VM\'s disk' -r -f -a "embed\t'It is in the app'
download\t'The app loads it at its first start'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l disk-url -d 'Where the disk can be had, with --vm download' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l utm-argument -d 'A word that UTM adds to QEMU\'s command line; can be given several times. UTM asks before it runs a VM that has any' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l output -d 'The folder of what is made; an earlier bundle there gives way' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l app-version -d 'The version of the app: up to three numbers with dots between them' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l certificate -d 'Sign the app by this certificate: PKCS #12, or PEM with those of its authorities up to the root' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l certificate-key -d 'The key of the certificate, as PEM, where it is not in the same file' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l certificate-password-file -d 'The file with the password of that key, which can be in HELIX_CERTIFICATE_PASSWORD instead' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l timestamp-url -d 'Where timestamps come from (RFC 3161), or none; for a Developer ID they are Apple\'s' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l codesign -d 'Sign the app by Apple\'s codesign and this identity of the keychain; only on a Mac' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l minisign-key -d 'Sign all files by this secret key of minisign; its password is in HELIX_MINISIGN_PASSWORD' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l minisign-password-file -d 'The file with the password of that key' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l builder -d 'Who makes this, as a URI, for the provenance' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l no-dmg -d 'Make no Helix.dmg, which on Linux cannot hold a disk of 4 GiB or more'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l notarize -d 'Have Apple notarise the app; the key is in APPLE_API_KEY, APPLE_API_KEY_ID and APPLE_API_ISSUER'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bundle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-bundle" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand check-bundle" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "up" -d 'Make a VM where there is none, start it, and wait until the guest is ready'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "down" -d 'Shut a VM down: by its agent, then by the power button, then by force'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "status" -d 'Say what VMs there are and what they are doing'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "du" -d 'Say what the disks of a VM take on this computer and in the guest'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "ssh" -d 'Log in to a VM by SSH, or run a command there'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "logs" -d 'Show what the guest wrote to its serial console, or what QEMU or the host encoder said'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "console" -d 'Sit at a VM\'s serial console; Ctrl-] leaves'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "reset" -d 'Give a VM a fresh system disk from an image; its data disk stays'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "rm" -d 'Delete a VM with all its disks'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and not __fish_seen_subcommand_from up down status du ssh logs console reset rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l image -d 'The folder of the image that a new VM is made from [default: target/images/quickstart]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l cpus -d 'How many processors the guest has [default: half of this machine\'s, 2 at least and 8 at most]' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l memory -d 'The guest\'s memory in MiB [default: half of this machine\'s, which must be 6144 at least]' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l graphics-memory -d 'On a Mac: how much of its memory the graphics device can show the guest, in MiB [default: 256 where there are 16 GiB and less, 1024 where there is more]; a desktop takes 64 to 128' -r -f -a "256\t''
512\t''
1024\t''
2048\t''
4096\t''
8192\t''"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l host-encoder -d 'The host encoder [default: what build-host-encoder made, if it did]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l boot-timeout -d 'How long the guest may take to boot' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l host-network-settings -d 'Hand this computer\'s proxy and the certificates that it trusts besides to the guest, its apt and its Docker'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l no-host-encoder -d 'Go without a host encoder'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from down" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from down" -l timeout -d 'How long the guest may take to power off before it is ended by force' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from down" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from status" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from status" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from du" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from du" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from du" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from ssh" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from ssh" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from ssh" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from logs" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from logs" -l of -d 'Whose log' -r -f -a "serial\t'The guest\'s serial console'
qemu\t'QEMU'
encoder\t'The host encoder'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on with what is added, until Ctrl-C'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from logs" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from console" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from console" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from console" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from reset" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from reset" -l image -d 'The folder of the image [default: the one that the VM was made from]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from reset" -l roll-back -d 'Take back the system disk from before the last reset, whose guest has not come up'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from reset" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from rm" -l home -d 'The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]' -r -F
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from rm" -l yes -d 'Do not ask'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from rm" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "up" -d 'Make a VM where there is none, start it, and wait until the guest is ready'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "down" -d 'Shut a VM down: by its agent, then by the power button, then by force'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "status" -d 'Say what VMs there are and what they are doing'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "du" -d 'Say what the disks of a VM take on this computer and in the guest'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "ssh" -d 'Log in to a VM by SSH, or run a command there'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "logs" -d 'Show what the guest wrote to its serial console, or what QEMU or the host encoder said'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "console" -d 'Sit at a VM\'s serial console; Ctrl-] leaves'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "reset" -d 'Give a VM a fresh system disk from an image; its data disk stays'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Delete a VM with all its disks'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand vm; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand doctor" -l arch -d 'The architecture of the images to build' -r -f -a "arm64\t'64-bit ARM'
amd64\t'64-bit x86'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand doctor" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand schema" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand schema" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -f -a "ls" -d 'List what is in the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -f -a "gc" -d 'Remove what was not used for 30 days, and what killed builds left'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -f -a "rm" -d 'Remove one kind of entries, or everything'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and not __fish_seen_subcommand_from ls gc rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from ls" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from gc" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from gc" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from rm" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List what is in the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "gc" -d 'Remove what was not used for 30 days, and what killed builds left'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove one kind of entries, or everything'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand cache; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bench" -l recipe -d 'The recipe' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bench" -l at-most -d 'With `build`: stop the alternative after N times our own time, and say that it took longer' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bench" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test" -l only -d 'Run only these parts' -r -f -a "lint\t'Formatting and clippy'
generated\t'Generated files'
unit\t'Unit and integration tests of the crates'
deny\t'Licences, bans, sources and advisories of dependencies'
fuzz\t'The fuzz targets, for a short while each'
image\t'The quickstart image: a real build, booted and checked'
machine\t'The machine runner, with a real QEMU'
docker\t'Data roots of `docker-graph`, with real engines of three ages; needs root'
faults\t'Faults, locks and interruptions, with archives made by the test'
ubuntu\t'The Ubuntu recipes, with an archive of Ubuntu\'s shape made by the test'
kill\t'A build killed at many random points'
vm\t'The VM\'s life: a real guest started, logged in to, reset, shut down; and faults'
mac\t'The host encoder for a Mac: built twice, compared byte for byte, inspected; faults are found'
bundle\t'Helix.app and helix-linux.utm from a small sysroot: made twice, read back, spoilt; and faults'
twice\t'Two builds in different surroundings, compared byte for byte'"
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test" -l kills -d 'How many points of a build the kill test tries' -r
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand generate" -l check -d 'Fail when a generated file is not up to date'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand generate" -l json -d 'Print one JSON document to standard output; progress stays on standard error'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand generate" -s h -l help -d 'Print help'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "build-image" -d 'Build an image from a recipe, boot it and run its checks'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "test-image" -d 'Boot an image that was built and run its checks'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "plan" -d 'Show the steps of a build, which are cached, and what changed in the others'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "resolve" -d 'Solve the packages of recipes and write their locks, without building anything'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "inspect" -d 'Show what an image is and verify its files'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "diff" -d 'Compare two images: packages, files, size'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "build-container" -d 'Build a container image from a container recipe, as an OCI layout'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "build-host-encoder" -d 'Build the host encoder: the daemon and the library for C, for this machine or for a Mac'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "check-host-encoder" -d 'Encode known frames with the host encoder, decode them with ffmpeg, and measure quality, latency and speed'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "docker-graph" -d 'Put container images into a Docker data root on the vfs driver, without an engine'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "bundle" -d 'Make Helix.app and helix-linux.utm of an image, signed, packed, with digests and provenance beside'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "check-bundle" -d 'Say what is wrong with an app and its signatures, a package for UTM or a disk image'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "vm" -d 'Start an image as a VM that stays, keep its data, log in, shut it down'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "doctor" -d 'Say what this machine lacks for building images'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "schema" -d 'Print the JSON schema of recipes'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "cache" -d 'Look after the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "bench" -d 'Measure against the alternatives, side by side'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "test" -d 'Run all tests of the project'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "generate" -d 'Write the generated files: schema, recipe reference, exit codes, man pages, completions'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and not __fish_seen_subcommand_from build-image test-image plan resolve inspect diff build-container build-host-encoder check-host-encoder docker-graph bundle check-bundle vm doctor schema cache bench test generate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "up" -d 'Make a VM where there is none, start it, and wait until the guest is ready'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "down" -d 'Shut a VM down: by its agent, then by the power button, then by force'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "status" -d 'Say what VMs there are and what they are doing'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "du" -d 'Say what the disks of a VM take on this computer and in the guest'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "ssh" -d 'Log in to a VM by SSH, or run a command there'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "logs" -d 'Show what the guest wrote to its serial console, or what QEMU or the host encoder said'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "console" -d 'Sit at a VM\'s serial console; Ctrl-] leaves'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "reset" -d 'Give a VM a fresh system disk from an image; its data disk stays'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from vm" -f -a "rm" -d 'Delete a VM with all its disks'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "ls" -d 'List what is in the cache'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "gc" -d 'Remove what was not used for 30 days, and what killed builds left'
complete -c cargo-xtask -n "__fish_cargo_xtask_using_subcommand help; and __fish_seen_subcommand_from cache" -f -a "rm" -d 'Remove one kind of entries, or everything'
