# The program of kvm-probe.ts: firmware that enters long mode, computes with the integer, x87 and SSE units for a
# moment, and ends QEMU through isa-debug-exit. A KVM that only emulates instructions one by one fails or takes minutes.
#
# Assembled with:
#   as --64 -o probe.o kvm-probe.S && ld -Ttext=0xF0000 --oformat=binary -o probe.bin probe.o
	.code16
	.globl _start
_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	$0x1000, %di
	movw	$0x1800, %cx
	rep stosw
	movl	$0x2003, 0x1000		# one table of each level
	movl	$0x3003, 0x2000
	movl	$0x0083, 0x3000		# the first 2 MiB, where this code is too
	lgdtl	%cs:(gdt_pointer - _start)
	movl	$0x620, %eax		# PAE, OSFXSR, OSXMMEXCPT
	movl	%eax, %cr4
	movl	$0x1000, %eax
	movl	%eax, %cr3
	movl	$0xC0000080, %ecx	# EFER
	rdmsr
	orl	$0x100, %eax		# long mode
	wrmsr
	movl	%cr0, %eax
	andl	$~4, %eax		# no emulation of the x87
	orl	$0x80000003, %eax	# paging, monitor coprocessor, protection
	movl	%eax, %cr0
	ljmpl	$8, $long_mode
	.code64
long_mode:
	xorl	%eax, %eax
	movl	$200000000, %ecx
1:	addq	$3, %rax
	decq	%rcx
	jnz	1b
	cmpq	$600000000, %rax
	jne	wrong
	movl	$3, %edx
	cvtsi2sdl %edx, %xmm0
	addsd	%xmm0, %xmm0
	cvttsd2si %xmm0, %edx
	cmpl	$6, %edx
	jne	wrong
	fninit
	fld1
	fadd	%st, %st
	fistpl	0x8000
	cmpl	$2, 0x8000
	jne	wrong
	movb	$0x21, %al
	outb	%al, $0xf4
wrong:	xorb	%al, %al
	outb	%al, $0xf4
2:	hlt
	jmp	2b
	.balign	8
gdt:	.quad	0
	.quad	0x00209A0000000000	# 64-bit code
gdt_pointer:
	.word	15
	.long	gdt
