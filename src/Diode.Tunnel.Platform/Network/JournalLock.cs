using System.Globalization;
using System.Text;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Keeps a second process away from a journal: an exclusive lock (flock on Linux, a sharing mode on Windows) on a file
/// beside it, which the system drops when the process ends. The file names the holder and is never deleted.
/// </summary>
internal sealed class JournalLock : IDisposable
{
    private readonly FileStream _file;

    private JournalLock(FileStream file) => _file = file;

    internal static JournalLock Take(string journalPath)
    {
        string path = journalPath + ".lock";
        FileStream file;
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Unix; .NET opens with O_CLOEXEC, so children do not hold it.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException inUse) when (File.Exists(path))
        {
            string holder = ReadHolder(path);
            throw new PlatformException(
                $"The system change journal '{journalPath}' is in use by process {holder}",
                inUse.HResult & 0xffff,
                "stop the running daemon first, for example with 'sudo systemctl stop diode-tunneld'",
                inUse);
        }

        byte[] pid = Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        file.SetLength(0);
        file.Write(pid);
        file.Flush();
        return new JournalLock(file);
    }

    public void Dispose() => _file.Dispose();

    private static unsafe string ReadHolder(string path)
    {
        const string Unknown = "(unknown)";
        if (!OperatingSystem.IsLinux())
        {
            return Unknown;
        }

        // Not with FileStream: it takes a shared lock even to read.
        int fd = Libc.Open(path, Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            return Unknown;
        }

        byte* text = stackalloc byte[16];
        nint length = Libc.Read(fd, text, 16);
        _ = Libc.Close(fd);
        return length > 0 && int.TryParse(new ReadOnlySpan<byte>(text, (int)length), CultureInfo.InvariantCulture, out int pid)
            ? pid.ToString(CultureInfo.InvariantCulture)
            : Unknown;
    }
}
