# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_oci_minidump_stack_global_optspecs
    string join \n h/help V/version
end

function __fish_oci_minidump_stack_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_oci_minidump_stack_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_oci_minidump_stack_using_subcommand
    set -l cmd (__fish_oci_minidump_stack_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_needs_command" -s h -l help -d 'Print help'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_needs_command" -s V -l version -d 'Print version'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_needs_command" -f -a "info" -d 'Print the stack of each thread, and how each frame was found'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_needs_command" -f -a "top" -d 'Count the crashes that are the same, most frequent first'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand info" -l symbols -d 'Symbol file of Breakpad, ELF file, or directory of them; may be repeated' -r -F
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand info" -l fingerprint -d 'Print only an id that is the same for the same crash, and the file'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand info" -l json -d 'Print a JSON array'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand info" -s h -l help -d 'Print help'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -l symbols -d 'Symbol file of Breakpad, ELF file, or directory of them; may be repeated' -r -F
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -l container -d 'Only dumps of this container' -r
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -l since -d 'No older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)' -r
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -l limit -d 'The most lines' -r
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -l json -d 'Print a JSON array'
complete -c oci-minidump-stack -n "__fish_oci_minidump_stack_using_subcommand top" -s h -l help -d 'Print help'
