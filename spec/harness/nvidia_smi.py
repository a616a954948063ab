"""What nvidia-smi prints of two GPUs, abridged by hand: the second is alone; then slowed down and shared.

The last text says the same as the second in the words of an older driver.
"""

UUID = "GPU-6f4c1a2e-0d5b-4f7e-9a3c-2b8d7e1f0a11"
ALONE = f"""<?xml version="1.0" ?>
<nvidia_smi_log>
  <driver_version>575.51.02</driver_version>
  <gpu id="00000000:01:00.0">
    <uuid>GPU-00000000-1111-2222-3333-444444444444</uuid>
    <clocks_event_reasons><clocks_event_reason_hw_slowdown>Active</clocks_event_reason_hw_slowdown></clocks_event_reasons>
    <clocks><sm_clock>210 MHz</sm_clock></clocks>
    <processes><process_info><pid>77</pid><type>C</type></process_info></processes>
  </gpu>
  <gpu id="00000000:41:00.0">
    <product_name>NVIDIA H200</product_name>
    <uuid>{UUID}</uuid>
    <clocks_event_reasons>
      <clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
      <clocks_event_reason_applications_clocks_setting>Active</clocks_event_reason_applications_clocks_setting>
      <clocks_event_reason_sw_power_cap>Not Active</clocks_event_reason_sw_power_cap>
      <clocks_event_reason_hw_slowdown>Not Active</clocks_event_reason_hw_slowdown>
      <clocks_event_reason_sw_thermal_slowdown>Not Active</clocks_event_reason_sw_thermal_slowdown>
    </clocks_event_reasons>
    <clocks_event_reasons_counters>
      <clocks_event_reasons_counters_sw_power_cap>1000000 us</clocks_event_reasons_counters_sw_power_cap>
      <clocks_event_reasons_counters_sync_boost>7 us</clocks_event_reasons_counters_sync_boost>
      <clocks_event_reasons_counters_hw_power_brake>N/A</clocks_event_reasons_counters_hw_power_brake>
    </clocks_event_reasons_counters>
    <temperature><gpu_temp>41 C</gpu_temp></temperature>
    <gpu_power_readings><average_power_draw>118.15 W</average_power_draw>
      <instant_power_draw>120.26 W</instant_power_draw></gpu_power_readings>
    <clocks><graphics_clock>1980 MHz</graphics_clock><sm_clock>1965 MHz</sm_clock></clocks>
    <max_clocks><sm_clock>1980 MHz</sm_clock></max_clocks>
    <processes>
      <process_info><pid>1802</pid><type>G</type><process_name>Xorg</process_name></process_info>
      <process_info><pid>4711</pid><type>C</type><process_name>python</process_name></process_info>
    </processes>
  </gpu>
</nvidia_smi_log>
"""
SLOW = (
    ALONE.replace("sw_power_cap>Not Active", "sw_power_cap>Active")
    .replace("1000000 us", "3500000 us")
    .replace("<pid>1802</pid><type>G</type>", "<pid>1802</pid><type>C+G</type>")
)
OLD = (
    SLOW.replace("clocks_event_reason", "clocks_throttle_reason")
    .replace("gpu_power_readings", "power_readings")
    .replace("instant_power_draw", "power_draw")
    .replace("575.51.02", "470.82.01")
)
