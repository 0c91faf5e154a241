/** Whether a connection URI leads to another machine, of which only libvirt can be asked. */
export const isRemote = (uri: string): boolean => /^[a-z]+\+ssh:/.test(uri);
