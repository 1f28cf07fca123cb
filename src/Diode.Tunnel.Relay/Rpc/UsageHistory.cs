using System.Globalization;
using System.Text.Json;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// What the relay carried, minute by minute for a day: port data in and out, devices, ticket score. Real relays keep
/// numbers per device and fleet too; those are nobody else's business. Thread-safe.
/// </summary>
internal sealed class UsageHistory(RelayCore core)
{
    private const int Minutes = 24 * 60;
    private const long MinuteSeconds = 60;
    private const long MaxPoints = 2_000;

    private readonly Lock _gate = new();
    private readonly Queue<Sample> _samples = new();
    private long _minute;
    private ulong _lastBytes;

    /// <summary>Bytes of the last finished minute.</summary>
    public (ulong Incoming, ulong Outgoing) LastMinute
    {
        get
        {
            lock (_gate)
            {
                ulong bytes = _samples.Count == 0 ? 0 : _samples.Last().Bytes;
                return (bytes, bytes);
            }
        }
    }

    /// <summary>Ends the minute when it is over.</summary>
    public void Tick(long nowMs)
    {
        long minute = nowMs / 1000 / MinuteSeconds;
        lock (_gate)
        {
            if (minute == _minute)
            {
                return;
            }

            ulong bytes = (ulong)core.Counters.PortBytes;
            if (_minute != 0)
            {
                _samples.Enqueue(new Sample(
                    _minute * MinuteSeconds, bytes - _lastBytes, core.Directory.Count, core.Tickets.TotalScore));
                if (_samples.Count > Minutes)
                {
                    _samples.Dequeue();
                }
            }

            _minute = minute;
            _lastBytes = bytes;
        }
    }

    /// <summary>The samples between two times: unix seconds, each the sum of a step.</summary>
    public void Write(Utf8JsonWriter writer, long from, long to, long step)
    {
        step = Math.Max(step / MinuteSeconds * MinuteSeconds, MinuteSeconds);
        Sample[] samples;
        lock (_gate)
        {
            samples = [.. _samples.Where(sample => sample.Time >= from && sample.Time <= to)];
        }

        writer.WriteStartObject();
        foreach (IGrouping<long, Sample> point in samples.GroupBy(sample => sample.Time / step * step).Take((int)MaxPoints))
        {
            writer.WriteStartObject(point.Key.ToString(CultureInfo.InvariantCulture));
            ulong bytes = 0;
            foreach (Sample sample in point)
            {
                bytes += sample.Bytes;
            }

            writer.WriteNumber("edge_traffic_in"u8, bytes);
            writer.WriteNumber("edge_traffic_out"u8, bytes);
            writer.WriteNumber("devices"u8, point.Last().Devices);
            writer.WriteNumber("ticket_score"u8, point.Last().Score);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private readonly record struct Sample(long Time, ulong Bytes, int Devices, ulong Score);
}
