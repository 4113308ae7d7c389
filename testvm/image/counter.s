# Boot sector of a guest that runs under any accelerator: integer code in 32-bit protected mode.
#
# The first word of every page from `first` to `last` holds its own address xor the number of the pass
# that wrote it last. Pass after pass each word is checked against the pass before, then written. After
# every 16th pass the first serial port gets "pass XXXXXXXX"; the first wrong word is reported as
# "bad ADDRESS FOUND WANTED", all in hexadecimal, and ends the work.
#
# One word a page, because a KVM that emulates this mode does less than a million instructions a second.

        .intel_syntax noprefix
        .set first, 0x100000
        .set last, 0x900000
        .set page, 0x1000
        .set com1, 0x3f8
        .set line_status, com1 + 5
        .set transmitter_empty, 0x20

        .code16
        .globl start
start:
        cli
        xor     ax, ax
        mov     ds, ax
        in      al, 0x92                # address line 20 on
        or      al, 2
        out     0x92, al
        lgdt    [gdt_pointer]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     8:protected

        .code32
protected:
        mov     ax, 16
        mov     ds, ax
        mov     ss, ax
        mov     esp, 0x7c00

        xor     ebp, ebp                # the pass
        mov     edi, first
fill:
        mov     [edi], edi
        add     edi, page
        cmp     edi, last
        jb      fill

next_pass:
        inc     ebp
        mov     edi, first
check:
        lea     eax, [ebp - 1]
        xor     eax, edi
        mov     ebx, [edi]
        cmp     ebx, eax
        jne     bad
        mov     eax, ebp
        xor     eax, edi
        mov     [edi], eax
        add     edi, page
        cmp     edi, last
        jb      check
        test    ebp, 15
        jnz     next_pass

        mov     esi, offset pass_text
        call    say
        mov     ebx, ebp
        call    say_hex
        call    say_newline
        jmp     next_pass

bad:
        push    eax
        push    ebx
        mov     esi, offset bad_text
        call    say
        mov     ebx, edi
        call    say_hex
        call    say_space
        pop     ebx
        call    say_hex
        call    say_space
        pop     ebx
        call    say_hex
        call    say_newline
halt:
        hlt
        jmp     halt

say:                                    # the text at esi, up to its zero
        lodsb
        test    al, al
        jz      said
        call    say_byte
        jmp     say
said:
        ret

say_hex:                                # ebx
        mov     ecx, 8
digit:
        rol     ebx, 4
        mov     al, bl
        and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     decimal
        add     al, 'A' - '9' - 1
decimal:
        call    say_byte
        loop    digit
        ret

say_space:
        mov     al, ' '
        jmp     say_byte
say_newline:
        mov     al, '\n'
say_byte:                               # al
        mov     ah, al
        mov     dx, line_status
busy:
        in      al, dx
        test    al, transmitter_empty
        jz      busy
        mov     al, ah
        mov     dx, com1
        out     dx, al
        ret

pass_text:
        .asciz  "pass "
bad_text:
        .asciz  "bad "

        .balign 8
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      # 8: code, all 4 GiB
        .quad   0x00cf93000000ffff      # 16: data, all 4 GiB
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt

        .org    510
        .word   0xaa55
